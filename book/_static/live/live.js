/* The shipped classifier in the page: plain JavaScript, nothing is loaded from elsewhere and nothing is sent.
 *
 * `network` runs in a Worker, made from its own source so that it works from file:// too: it reads the safetensors file as
 * shipped (base64 in LIVE_DATA, written by book/_ext/shipped_ext.py) and gives logits. `readout` turns logits into colours
 * as colorize_lib/readout.py does, `color` is colorize_lib/color.py. The rest is the page.
 */
"use strict";

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
    return { tensors, passport: JSON.parse(header.__metadata__.passport) };
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

  /** Logits {c: 313, h, w, v} of lightness L in 0..100; stages as in the table of colorize_lib/networks.py. */
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

/** What the Worker does: take the file once, then lightness after lightness. */
function work(scope) {
  const net = network();
  let file, stages;
  scope.onmessage = ({ data }) => {
    if (data.weights) {
      file = net.read(data.weights);
      stages = data.stages;
      scope.postMessage({ passport: file.passport, prior: file.tensors.prior.values });
    } else {
      const out = net.forward(file.tensors, stages, data.L, data.h, data.w);
      scope.postMessage({ id: data.id, v: out.v, h: out.h, w: out.w });
    }
  };
}

// ------------------------------------------------------------------------------------------------------------ colour

const color = {
  /** Lab of an sRGB colour in bytes. */
  lab(r, g, b) {
    const [R, G, B] = [r, g, b].map((byte) => (byte > 10.31475 ? ((byte / 255 + 0.055) / 1.055) ** 2.4 : byte / 255 / 12.92));
    const root = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
    const x = root((0.412453 * R + 0.35758 * G + 0.180423 * B) / 0.95047), y = root(0.212671 * R + 0.71516 * G + 0.072169 * B);
    const z = root((0.019334 * R + 0.119193 * G + 0.950227 * B) / 1.08883);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  },
  /** sRGB in bytes, clipped, of a Lab colour, written to out[at..at + 2]. */
  write(L, a, b, out, at) {
    const y = (L + 16) / 116, cube = (f) => (f > 0.2068966 ? f ** 3 : (f - 16 / 116) / 7.787);
    const X = 0.95047 * cube(y + a / 500), Y = cube(y), Z = 1.08883 * cube(y - b / 200);
    const rgb = [3.24048134 * X - 1.53715152 * Y - 0.49853633 * Z, -0.96925495 * X + 1.87599 * Y + 0.04155593 * Z,
                 0.05564664 * X - 0.20404134 * Y + 1.05731107 * Z];
    for (let i = 0; i < 3; i++)
      out[at + i] = Math.round(255 * Math.min(1, Math.max(0, rgb[i] > 0.0031308 ? 1.055 * rgb[i] ** (1 / 2.4) - 0.055 : 12.92 * rgb[i])));
  },
  css(L, a, b) { const out = [0, 0, 0]; color.write(L, a, b, out, 0); return `rgb(${out.join(" ")})`; },
};

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

/** What the network sees of an image: lightness [h, w], the shorter side about `side`, sides multiples of 8. */
function seen(image, side) {
  const factor = side / Math.min(image.h, image.w), size = (n) => Math.max(16, 8 * Math.round((n * factor) / 8));
  const h = size(image.h), w = size(image.w), rows = weightsOf(image.h, h), columns = weightsOf(image.w, w);
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
      [L[y * w + x]] = color.lab(...rgb.map(Math.round));
    }
  return { L, h, w };
}

// --------------------------------------------------------------------------------------------------------- read-outs

const readout = {
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
    const n = logits.h * logits.w, p = new Float64Array(logits.v.length / n);
    let most = -Infinity, sum = 0;
    for (let q = 0; q < p.length; q++) most = Math.max(most, (p[q] = (logits.v[q * n + at] + tilt[q]) / ask.temperature));
    for (let q = 0; q < p.length; q++) sum += p[q] = Math.exp(p[q] - most);
    return p.map((value) => value / sum);
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
  /** Geometric median: a colour of the list if the pull of all others on it is at most its own share, else Weiszfeld. */
  median(p, centers) {
    let [a, b] = readout.mean(p, centers);
    for (let step = 0; step < 600; step++) {
      let sum = 0, x = 0, y = 0;
      for (let q = 0; q < p.length; q++) {
        const near = p[q] / Math.max(1e-9, Math.hypot(centers[2 * q] - a, centers[2 * q + 1] - b));
        sum += near; x += near * centers[2 * q]; y += near * centers[2 * q + 1];
      }
      const moved = Math.hypot(x / sum - a, y / sum - b);
      [a, b] = [a + 1.5 * (x / sum - a), b + 1.5 * (y / sum - b)];
      if (moved < 3e-5) break;
    }
    const near = readout.nearest(a, b, centers), [u, v] = [centers[2 * near], centers[2 * near + 1]];
    let x = 0, y = 0;
    for (let q = 0; q < p.length; q++) {
      const far = Math.hypot(centers[2 * q] - u, centers[2 * q + 1] - v);
      if (far) { x += (p[q] * (centers[2 * q] - u)) / far; y += (p[q] * (centers[2 * q + 1] - v)) / far; }
    }
    return Math.hypot(x, y) <= p[near] ? [u, v] : [a, b];
  },
  nearest(a, b, centers) {
    let best = 0, least = Infinity;
    for (let q = 0; 2 * q < centers.length; q++) {
      const far = Math.hypot(centers[2 * q] - a, centers[2 * q + 1] - b);
      if (far < least) [least, best] = [far, q];
    }
    return best;
  },
  /** One colour drawn from p; `chance` in 0..1. */
  sample(p, centers, chance) {
    let q = 0;
    for (; q < p.length - 1 && chance >= p[q]; q++) chance -= p[q];
    return [centers[2 * q], centers[2 * q + 1]];
  },
  /** Colours ab [2, h, w] of logits by what is asked: {temperature, lambda, kind, gain}. */
  ab(logits, ask, prior, centers) {
    const n = logits.h * logits.w, out = new Float32Array(2 * n), tilt = readout.tilt(prior, ask.lambda);
    let seed = 1;
    const chance = () => { // mulberry32
      let t = (seed = (seed + 0x6d2b79f5) | 0);
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    for (let at = 0; at < n; at++) {
      const [a, b] = readout[ask.kind](readout.distribution(logits, at, ask, tilt), centers, ask.kind === "sample" ? chance() : 0);
      out[at] = ask.gain * a;
      out[n + at] = ask.gain * b;
    }
    return out;
  },
};

/** Give an image the colours ab [2, h, w], enlarged bilinearly, under its own lightness; RGBA bytes. */
function recolor(image, ab, h, w) {
  const out = new Uint8ClampedArray(image.h * image.w * 4);
  const near = (n, wanted) => Array.from({ length: wanted }, (_, i) => {
    const place = Math.min(n - 1, Math.max(0, ((i + 0.5) * n) / wanted - 0.5)), low = Math.floor(place);
    return [low, Math.min(low + 1, n - 1), place - low];
  });
  const rows = near(h, image.h), columns = near(w, image.w);
  for (let y = 0; y < image.h; y++)
    for (let x = 0; x < image.w; x++) {
      const [top, bottom, down] = rows[y], [left, right, along] = columns[x], at = (y * image.w + x) * 4;
      const of = (from) => {
        const mix = (row) => ab[from + row * w + left] * (1 - along) + ab[from + row * w + right] * along;
        return mix(top) * (1 - down) + mix(bottom) * down;
      };
      color.write(image.L[y * image.w + x], of(0), of(h * w), out, at);
      out[at + 3] = 255;
    }
  return out;
}
