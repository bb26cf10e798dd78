/* What the live page computes: plain JavaScript, nothing is loaded from elsewhere and nothing is sent.
 *
 * `network` runs in a Worker, made from its own source so that it works from file:// too: it reads safetensors files as
 * shipped (in base64, in scripts that book/_ext/shipped_ext.py writes) and gives what the network says. `readout` turns
 * logits into colours as colorize_lib/readout.py does, `color` is colorize_lib/color.py, `seen` and `recolor` are
 * colorize_lib/colorizer.py. posterior.js draws the distribution at a point, page.js is the page.
 */
"use strict";

/** Weights by name of network, in base64, and photographs by name; each is added by a script of its own. */
const LIVE_WEIGHTS = {}, LIVE_PHOTOS = {};

// ------------------------------------------------------------------------------------------------------- the network

function network() {
  const HALF = new Float32Array(65536); // half precision to single, by table
  for (let h = 0; h < 65536; h++) {
    const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
    HALF[h] = sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  }

  /** Tensors {name: {shape, values}} of a safetensors file, and its passport. */
  function read(bytes) {
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true)), tensors = {};
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    for (const [name, about] of Object.entries(header)) {
      if (name === "__metadata__" || about.dtype === "I64") continue;
      const [begin, end] = about.data_offsets.map((at) => at + 8 + length), raw = bytes.slice(begin, end).buffer;
      const values = about.dtype === "F16" ? Float32Array.from(new Uint16Array(raw), (h) => HALF[h]) : new Float32Array(raw);
      tensors[name] = { shape: about.shape, values };
    }
    const passport = header.__metadata__.passport.replace(/: (NaN|-?Infinity)/g, ": null"); // Python writes these, JSON has none
    return { tensors, passport: JSON.parse(passport) };
  }

  /** Convolution of x {c, h, w, v} as a product with the matrix of its patches, four outputs at a time. */
  function convolve(x, weight, bias, stride, dilation) {
    const [outputs, inputs, k] = weight.shape, pad = ((k - 1) >> 1) * dilation;
    const h = Math.floor((x.h + 2 * pad - dilation * (k - 1) - 1) / stride) + 1;
    const w = Math.floor((x.w + 2 * pad - dilation * (k - 1) - 1) / stride) + 1, n = h * w, taps = inputs * k * k;
    const patches = new Float32Array(taps * n);
    for (let i = 0, row = 0; i < inputs; i++)
      for (let ky = 0; ky < k; ky++)
        for (let kx = 0; kx < k; kx++, row++)
          for (let y = 0; y < h; y++) {
            const from = y * stride + ky * dilation - pad;
            if (from < 0 || from >= x.h) continue;
            for (let z = 0; z < w; z++) {
              const at = z * stride + kx * dilation - pad;
              if (at >= 0 && at < x.w) patches[row * n + y * w + z] = x.v[(i * x.h + from) * x.w + at];
            }
          }
    const v = new Float32Array(outputs * n), m = weight.values;
    for (let o = 0; o < outputs; o += 4) {
      const many = Math.min(4, outputs - o), out = [0, 1, 2, 3].map((j) => v.subarray((o + (j % many)) * n, (o + (j % many) + 1) * n));
      for (let j = 0; j < many; j++) out[j].fill(bias.values[o + j]);
      const [a, b, c, d] = out;
      for (let row = 0; row < taps; row++) {
        const at = row * n, p = m[o * taps + row];
        if (many === 4) {
          const q = m[(o + 1) * taps + row], r = m[(o + 2) * taps + row], s = m[(o + 3) * taps + row];
          for (let i = 0; i < n; i++) {
            const value = patches[at + i];
            a[i] += p * value; b[i] += q * value; c[i] += r * value; d[i] += s * value;
          }
        } else for (let j = 0; j < many; j++) for (let i = 0, f = m[(o + j) * taps + row]; i < n; i++) out[j][i] += f * patches[at + i];
      }
    }
    return { c: outputs, h, w, v };
  }

  /** Transposed convolution, kernel 4, stride 2, padding 1: twice the side. */
  function enlarge(x, weight, bias) {
    const [inputs, outputs] = weight.shape, h = 2 * x.h, w = 2 * x.w, v = new Float32Array(outputs * h * w);
    for (let o = 0; o < outputs; o++) v.fill(bias.values[o], o * h * w, (o + 1) * h * w);
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < outputs; o++)
        for (let ky = 0; ky < 4; ky++)
          for (let kx = 0; kx < 4; kx++) {
            const f = weight.values[((i * outputs + o) * 4 + ky) * 4 + kx];
            for (let y = 0; y < x.h; y++) {
              const to = 2 * y - 1 + ky;
              if (to < 0 || to >= h) continue;
              for (let z = 0; z < x.w; z++) {
                const at = 2 * z - 1 + kx;
                if (at >= 0 && at < w) v[(o * h + to) * w + at] += f * x.v[(i * x.h + y) * x.w + z];
              }
            }
          }
    return { c: outputs, h, w, v };
  }

  function normalise(x, mean, variance) {
    const n = x.h * x.w;
    for (let c = 0; c < x.c; c++)
      for (let i = c * n, f = 1 / Math.sqrt(variance.values[c] + 1e-5); i < (c + 1) * n; i++) x.v[i] = (x.v[i] - mean.values[c]) * f;
    return x;
  }

  const relu = (x) => { for (let i = 0; i < x.v.length; i++) if (x.v[i] < 0) x.v[i] = 0; return x; };

  /** Logits {c: 313, h, w, v} (of l2: ab / 110, c: 2) of lightness L in 0..100; stages as in the table of colorize_lib/networks.py. */
  function forward(tensors, stages, L, h, w) {
    let x = { c: 1, h, w, v: Float32Array.from(L, (value) => (value - 50) / 100) };
    for (const stage of stages) {
      const name = `trunk.${stage.name}.`;
      for (let i = 0; i < stage.convolutions; i++) {
        const weight = tensors[`${name}${2 * i}.weight`], bias = tensors[`${name}${2 * i}.bias`];
        const stride = i === stage.convolutions - 1 ? stage.stride : 1;
        x = relu(stage.upsample && i === 0 ? enlarge(x, weight, bias) : convolve(x, weight, bias, stride, stage.dilation));
      }
      const end = `${name}${2 * stage.convolutions}.running_`;
      if (stage.normalise) x = normalise(x, tensors[`${end}mean`], tensors[`${end}var`]);
    }
    return convolve(x, tensors["head.weight"], tensors["head.bias"], 1, 1);
  }
  return { read, forward };
}

/** What the Worker does: take weights by name, and lightness after lightness for one of these networks. */
function work(scope) {
  const net = network(), files = {};
  scope.onmessage = ({ data: { id, name, weights, stages, L, h, w } }) => {
    if (weights) {
      files[name] = { stages, ...net.read(Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0))) };
      scope.postMessage({ id, passport: files[name].passport, prior: files[name].tensors.prior?.values });
    } else {
      const out = net.forward(files[name].tensors, files[name].stages, L, h, w);
      scope.postMessage({ id, v: out.v, h: out.h, w: out.w }, [out.v.buffer]);
    }
  };
}

// ------------------------------------------------------------------------------------------------------------ colour

/** Linear light of a byte, and the byte of linear light in 0..1, by table. */
const LINEAR = Float64Array.from({ length: 256 }, (_, byte) => (byte > 10.31475 ? ((byte / 255 + 0.055) / 1.055) ** 2.4 : byte / 255 / 12.92));
const STEPS = 1 << 16;
const BYTE = Uint8Array.from({ length: STEPS + 1 }, (_, i) => Math.round(255 * (i / STEPS > 0.0031308 ? 1.055 * (i / STEPS) ** (1 / 2.4) - 0.055 : (12.92 * i) / STEPS)));

const color = {
  root: (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116),
  cube: (f) => (f > 0.2068966 ? f * f * f : (f - 16 / 116) / 7.787),
  byte: (linear) => BYTE[linear <= 0 ? 0 : linear >= 1 ? STEPS : (linear * STEPS + 0.5) | 0],
  /** L in 0..100 of an sRGB colour in bytes. */
  lightness: (r, g, b) => 116 * color.root(0.212671 * LINEAR[r] + 0.71516 * LINEAR[g] + 0.072169 * LINEAR[b]) - 16,
  /** Lab of an sRGB colour in bytes. */
  lab(r, g, b) {
    const [R, G, B] = [LINEAR[r], LINEAR[g], LINEAR[b]], L = color.lightness(r, g, b), y = (L + 16) / 116;
    const x = color.root((0.412453 * R + 0.35758 * G + 0.180423 * B) / 0.95047);
    const z = color.root((0.019334 * R + 0.119193 * G + 0.950227 * B) / 1.08883);
    return [L, 500 * (x - y), 200 * (y - z)];
  },
  /** sRGB in bytes, clipped, of a Lab colour, written to out[at..at + 2]. */
  write(L, a, b, out, at) {
    const y = (L + 16) / 116, X = 0.95047 * color.cube(y + a / 500), Y = color.cube(y), Z = 1.08883 * color.cube(y - b / 200);
    out[at] = color.byte(3.24048134 * X - 1.53715152 * Y - 0.49853633 * Z);
    out[at + 1] = color.byte(-0.96925495 * X + 1.87599 * Y + 0.04155593 * Z);
    out[at + 2] = color.byte(0.05564664 * X - 0.20404134 * Y + 1.05731107 * Z);
  },
  css(L, a, b) { const out = [0, 0, 0]; color.write(L, a, b, out, 0); return `rgb(${out.join(" ")})`; },
  /** Lightness of pixels RGBA in bytes. */
  lightnessOf(v) {
    const L = new Float32Array(v.length / 4);
    for (let i = 0; i < L.length; i++) L[i] = color.lightness(v[4 * i], v[4 * i + 1], v[4 * i + 2]);
    return L;
  },
};

/** Height and width at which the network sees an image, as `network_size` of colorize_lib/colorizer.py has it. */
function networkSize(height, width, side) {
  const longest = 8 * Math.min(height, width), even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // as Python rounds
  [height, width] = [Math.min(height, longest), Math.min(width, longest)];
  const factor = Math.min(side / Math.min(height, width), Math.sqrt(2 ** 20 / (height * width)));
  return [height, width].map((n) => Math.max(16, 8 * even((n * factor) / 8)));
}

/** Rows (or columns) that fall together averaged by a triangle, as torch's antialiased bilinear: n values to `wanted`. */
function weightsOf(n, wanted) {
  const scale = n / wanted, reach = Math.max(1, scale), rows = [];
  for (let i = 0; i < wanted; i++) {
    const middle = (i + 0.5) * scale, first = Math.max(0, Math.floor(middle - reach + 0.5)), row = [];
    const last = Math.min(n, Math.floor(middle + reach + 0.5));
    for (let j = first; j < last; j++) row.push(Math.max(0, 1 - Math.abs((j - middle + 0.5) / reach)));
    const sum = row.reduce((s, value) => s + value, 0);
    rows.push({ first, row: row.map((value) => value / sum) });
  }
  return rows;
}

/** What the network sees of an image {h, w, v: RGBA in bytes}: lightness L at the size [h, w]. */
function seen(image, [h, w]) {
  const rows = weightsOf(image.h, h), columns = weightsOf(image.w, w);
  const half = new Float32Array(h * image.w * 3), L = new Float32Array(h * w);
  for (let y = 0; y < h; y++)
    rows[y].row.forEach((f, j) => {
      for (let x = 0; x < image.w; x++)
        for (let c = 0; c < 3; c++) half[(y * image.w + x) * 3 + c] += f * image.v[((rows[y].first + j) * image.w + x) * 4 + c];
    });
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const rgb = [0, 0, 0];
      columns[x].row.forEach((f, j) => rgb.forEach((_, c) => (rgb[c] += f * half[(y * image.w + columns[x].first + j) * 3 + c])));
      L[y * w + x] = color.lightness(...rgb.map(Math.round));
    }
  return { L, h, w };
}

// --------------------------------------------------------------------------------------------------------- read-outs

const readout = {
  KINDS: ["mean", "median", "mode", "sample"],
  /** Weights of Zhang et al., eq. 4, from the training data's prior; 0 for colours that do not occur. */
  weights(prior, lambda) {
    const many = prior.filter((p) => p > 0).length;
    const w = Array.from(prior, (p) => (p > 0 ? 1 / ((1 - lambda) * p + lambda / many) : 0));
    const mean = w.reduce((sum, value, q) => sum + prior[q] * value, 0);
    return w.map((value) => value / mean);
  },
  /** What a tilt adds to the logits; 1 is no tilt. */
  tilt(prior, lambda) {
    return lambda < 1 ? readout.weights(prior, lambda).map(Math.log) : new Float64Array(prior.length);
  },
  /** The distribution at place `at` of logits {v, h, w}: tilted, then sharpened. */
  distribution(logits, at, ask, tilt) {
    const n = logits.h * logits.w, p = new Float64Array(tilt.length);
    let most = -Infinity, sum = 0;
    for (let q = 0; q < p.length; q++) most = Math.max(most, (p[q] = (logits.v[q * n + at] + tilt[q]) / ask.temperature));
    for (let q = 0; q < p.length; q++) sum += p[q] = Math.exp(p[q] - most);
    for (let q = 0; q < p.length; q++) p[q] /= sum;
    return p;
  },
  mean(p, centers) {
    let a = 0, b = 0;
    for (let q = 0; q < p.length; q++) { a += p[q] * centers[2 * q]; b += p[q] * centers[2 * q + 1]; }
    return [a, b];
  },
  mode(p, centers) {
    let best = 0;
    for (let q = 1; q < p.length; q++) if (p[q] > p[best]) best = q;
    return [centers[2 * best], centers[2 * best + 1]];
  },
  /** Geometric median: a colour of the list if the pull of all others on it is at most its own share, else by steps. */
  median(p, centers) {
    let at = readout.pull(p, centers, ...readout.mean(p, centers)), refused = -1;
    for (let step = 0; step < 100; step++) {
      const near = readout.nearest(at.x, at.y, centers);
      if (near !== refused) {
        const there = readout.pull(p, centers, centers[2 * near], centers[2 * near + 1]);
        if (Math.hypot(there.a, there.b) <= p[near]) return [there.x, there.y];
        refused = near;
      }
      const next = readout.step(p, centers, at), far = Math.hypot(next.x - at.x, next.y - at.y);
      at = next;
      if (far < 1e-6) break;
    }
    return [at.x, at.y];
  },
  /** What draws x, y towards the colours: the sum of p times unit vectors, its weights p / distance, and derivatives; and
   * the mean distance, in the same pass, because a median takes as long as its passes do.
   */
  pull(p, centers, x, y) {
    let a = 0, b = 0, near = 0, aa = 0, ab = 0, bb = 0, distance = 0;
    for (let q = 0; q < p.length; q++) {
      const u = centers[2 * q] - x, v = centers[2 * q + 1] - y, squared = u * u + v * v, far = Math.sqrt(squared);
      if (far < 1e-9) continue;
      const share = p[q] / far, cubed = share / squared;
      a += share * u; b += share * v; near += share; distance += p[q] * far;
      aa += cubed * v * v; bb += cubed * u * u; ab -= cubed * u * v;
    }
    return { x, y, a, b, near, aa, ab, bb, distance };
  },
  /** From a place that `pull` gave to one of less mean distance: Newton's step, shorter ones along it, or Weiszfeld's. */
  step(p, centers, at) {
    const size = at.aa * at.bb - at.ab * at.ab;
    const x = (at.bb * at.a - at.ab * at.b) / size, y = (at.aa * at.b - at.ab * at.a) / size;
    if (size > 1e-12) {
      if (Math.hypot(x, y) < 1e-6) return at;
      for (const share of [1, 1 / 3, 1 / 10]) {
        const next = readout.pull(p, centers, at.x + share * x, at.y + share * y);
        if (next.distance < at.distance) return next;
      }
    }
    return readout.pull(p, centers, at.x + at.a / at.near, at.y + at.b / at.near);
  },
  nearest(a, b, centers) {
    let best = 0, least = Infinity;
    for (let q = 0; 2 * q < centers.length; q++) {
      const u = centers[2 * q] - a, v = centers[2 * q + 1] - b, squared = u * u + v * v;
      if (squared < least) { least = squared; best = q; }
    }
    return best;
  },
  /** One colour drawn from p; `chance` in 0..1. */
  sample(p, centers, chance) {
    let q = 0;
    for (; q < p.length - 1 && chance >= p[q]; q++) chance -= p[q];
    return [centers[2 * q], centers[2 * q + 1]];
  },
  /** Numbers in 0..1 that look random and are the same every time (mulberry32). */
  chances(seed) {
    return () => {
      let t = (seed = (seed + 0x6d2b79f5) | 0);
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  },
  /** The number that `chances` of a seed gives the place `at`. */
  chanceAt: (seed, at) => readout.chances((seed + Math.imul(at, 0x6d2b79f5)) | 0)(),
  /** Colours {v: [2, h, w], h, w} of logits by what is asked: {temperature, lambda, kind, gain, seed}. */
  ab(logits, ask, prior, centers) {
    const n = logits.h * logits.w, v = new Float32Array(2 * n), tilt = readout.tilt(prior, ask.lambda), seed = ask.seed ?? 1;
    for (let at = 0; at < n; at++) {
      const [a, b] = readout[ask.kind](readout.distribution(logits, at, ask, tilt), centers, readout.chanceAt(seed, at));
      v[at] = ask.gain * a;
      v[n + at] = ask.gain * b;
    }
    return { v, h: logits.h, w: logits.w };
  },
};

/** For `wanted` positions along an axis of n values: the values before and after each, and how far on it is. */
function neighbours(n, wanted) {
  const low = new Int32Array(wanted), high = new Int32Array(wanted), share = new Float64Array(wanted);
  for (let i = 0; i < wanted; i++) {
    const place = Math.min(n - 1, Math.max(0, ((i + 0.5) * n) / wanted - 0.5));
    low[i] = Math.floor(place);
    high[i] = Math.min(low[i] + 1, n - 1);
    share[i] = place - low[i];
  }
  return { low, high, share };
}

/** Give an image {h, w, L} the colours {v: [2, h, w], h, w}, enlarged bilinearly, under its own lightness: RGBA in bytes.
 *
 * The image may be a strip: the rows from `top` of one that is `height` high.
 */
function recolor(image, ab, top = 0, height = image.h) {
  const out = new Uint8ClampedArray(image.h * image.w * 4).fill(255), line = new Float64Array(2 * ab.w);
  const rows = neighbours(ab.h, height), { low, high, share } = neighbours(ab.w, image.w);
  for (let y = 0, i = 0; y < image.h; y++) {
    const above = rows.low[top + y] * ab.w, below = rows.high[top + y] * ab.w, down = rows.share[top + y];
    for (let c = 0; c < 2; c++)
      for (let x = 0, from = c * ab.h * ab.w; x < ab.w; x++)
        line[c * ab.w + x] = ab.v[from + above + x] * (1 - down) + ab.v[from + below + x] * down;
    for (let x = 0; x < image.w; x++, i++) {
      const left = low[x], right = high[x], along = share[x], back = 1 - along;
      color.write(image.L[i], line[left] * back + line[right] * along, line[ab.w + left] * back + line[ab.w + right] * along, out, 4 * i);
    }
  }
  return out;
}
