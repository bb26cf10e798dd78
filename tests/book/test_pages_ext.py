"""What is put right in finished pages."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pages_ext
from PIL import Image


def test_what_the_theme_gets_wrong_is_put_right():
    page = """<script src="../_static/vendor/fontawesome/6.5.2/js/all.min.js?digest=1"></script>
<div class="bd-sidebar-primary bd-sidebar">
<summary aria-label="Toggle hidden content">Show</summary>
<tr><th></th><th class="head"><p></p></th><th>AuC</th></tr>
<button class="btn search-button-field search-button__button" title="Search" aria-label="Search" data-bs-toggle="x">"""
    assert (
        pages_ext.mended(page)
        == """<div class="bd-sidebar-primary bd-sidebar" role="region" aria-label="Sidebar">
<summary>Show</summary>
<tr><td></td><td class="head"></td><th>AuC</th></tr>
<button class="btn search-button-field search-button__button" data-bs-toggle="x">"""
    )


def test_numbers_below_zero_have_a_minus_sign_outside_of_code():
    plain = "<td>-0.5 [-1, -.2]</td> lower (-3) 2016-11-26 H-1 well-2 <a href='x -1'>"
    code = '<code class="x">-1</code><pre>\n<b>-2</b></pre><dt>f(a=-1)</dt>\\((3, -7)\\)'
    expected = plain.replace("-0.5 [-1, -.2]", "−0.5 [−1, −.2]").replace("(-3)", "(−3)")
    assert pages_ext.mended(plain + code) == expected + code


def test_intervals_in_sentences_are_quiet():
    low = '<span class="interval">[−0.131, −0.060]</span>'
    page = '<p><strong><span class="pasted-text">lower (-0.095 [-0.131, -0.060])</span></strong> as in [1, 2].</p>'
    said = page.replace("(-0.095", "(−0.095").replace("[-0.131, -0.060]", low)
    assert pages_ext.mended(page) == said
    plain = '<span class="pasted-text">+1.2 [+0.9, 1,234.5]</span> <strong>in [Zhang, 2016] and [3]</strong> [0.1, 0.2]'
    quiet = plain.replace("[+0.9, 1,234.5]", '<span class="interval">[+0.9, 1,234.5]</span>')
    assert pages_ext.mended(plain) == quiet


def headed(*rows: list[str]) -> str:
    return "<thead>\n{}\n</thead>".format("\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows))


def test_the_names_of_rows_stand_beside_those_of_columns():
    none, side, width = "<td></td>", "<th>side</th>", "<th>width 1</th>"
    assert pages_ext.mended(headed(["<th></th>", width], [side, "<th></th>"])) == headed([side, width])
    two = ["<th></th>", "<th></th>", width], ["<th>rung</th>", side, "<th></th>"]
    assert pages_ext.mended(headed(*two)) == headed(["<th>rung</th>", side, width])
    named = headed(["<th>arm</th>", width], [side, none]).replace(none, "<th></th>")
    assert pages_ext.mended(named) == headed(["<th>arm</th>", width], [side, none]), "both rows name something"
    group = headed(["<th></th>", '<th colspan="2">chroma</th>'], [none, width, side])
    assert pages_ext.mended(group.replace(none, "<th></th>")).count("<tr>") == 2
    before = headed([side, width]) + "<tbody><tr><td>1</td></tr></tbody>"
    after = pages_ext.mended(before + headed(["<th></th>", width], [side, "<th></th>"]))
    assert after == before + headed([side, width]), "a table before it with one row above"


def test_only_heavy_photographs_become_jpeg(tmp_path):
    rows, columns = np.mgrid[:500, :500]
    smooth = np.stack([rows * 0.4, columns * 0.4, (rows + columns) * 0.2], -1)
    noise = np.random.default_rng(0).normal(0, 3, smooth.shape)
    photo = np.clip(smooth + 20 + noise, 0, 255).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(photo[:50, :50]).save(tmp_path / "small.png")
    assert pages_ext.lighten(tmp_path) == {"photo.png": "photo.jpg"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg", "small.png"]
    shown = np.asarray(Image.open(tmp_path / "photo.jpg")).astype(float)
    assert abs(shown - photo).mean() < 3 and abs((shown - photo).mean((0, 1))).max() < 0.5, "colours stay what they are"


def test_light_images_keep_every_pixel(tmp_path):
    drawing = np.full((200, 300, 4), 255, np.uint8)
    drawing[50:90, :, :3] = np.arange(300, dtype=np.uint8)[None, :, None]
    Image.fromarray(drawing).save(tmp_path / "opaque.png", compress_level=1)
    drawing[:20, :, 3] = 0
    Image.fromarray(drawing).save(tmp_path / "clear.png", compress_level=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert pages_ext.lighten(tmp_path) == {}
    assert (tmp_path / "clear.png").read_bytes() == before["clear.png"]
    assert (tmp_path / "opaque.png").stat().st_size < len(before["opaque.png"])
    drawing[:20, :, 3] = 255
    assert np.array_equal(np.asarray(Image.open(tmp_path / "opaque.png").convert("RGB")), drawing[:, :, :3])


def test_line_figures_get_a_palette_and_planes_of_colour_keep_theirs(tmp_path):
    figure, axes = plt.subplots()
    for colour in ("#0072B2", "#E69F00"):
        axes.plot(np.random.default_rng(len(axes.lines)).normal(size=40), color=colour)
    figure.savefig(tmp_path / "lines.png")
    plt.close(figure)
    plane = np.dstack([*np.mgrid[:256, :256], np.full((256, 256), 128)]).astype(np.uint8)
    Image.fromarray(plane).save(tmp_path / "plane.png", compress_level=1)
    lines = np.asarray(Image.open(tmp_path / "lines.png").convert("RGB")).astype(int)
    size = (tmp_path / "lines.png").stat().st_size
    pages_ext.lighten(tmp_path)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "plane.png")), plane)
    small = Image.open(tmp_path / "lines.png")
    assert small.mode == "P" and (tmp_path / "lines.png").stat().st_size < size / 2
    assert abs(np.asarray(small.convert("RGB")) - lines).max() <= pages_ext.PALETTE_MOST


def test_names_of_images_change_in_the_pages_too(tmp_path):
    (tmp_path / "_images").mkdir()
    noise = np.random.default_rng(0).integers(100, 116, (500, 500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "_images/a.png")
    (tmp_path / "page.html").write_text('<img alt="noise" src="_images/a.png">')
    pages_ext.mend(tmp_path)
    (image,) = (tmp_path / "_images").iterdir()
    assert (tmp_path / "page.html").read_text() == f'<img alt="noise" src="_images/{image.name}">'


def test_scripts_of_the_theme_say_what_is_amiss_and_no_more(tmp_path):
    (tmp_path / "_static/scripts").mkdir(parents=True)
    theme, toggle = tmp_path / "_static/scripts/theme.js", tmp_path / "_static/togglebutton.js"
    theme.write_text(
        "f(),console.log(`[PST]: ${mode}.`);return void console.info(a,b);console.warn(c);my.console.log(d)"
    )
    toggle.write_text("var on = 1\nconsole.log(\n  on,\n);\n")
    (tmp_path / "search.html").write_text('<script>\ninput.focus();\nconsole.log("[PST]: Set focus.");\n</script>')
    pages_ext.mend(tmp_path)
    none = "void (() => {})"
    assert (
        theme.read_text()
        == f"f(),{none}(`[PST]: ${{mode}}.`);return void {none}(a,b);console.warn(c);my.console.log(d)"
    )
    assert toggle.read_text() == f"var on = 1\n{none}(\n  on,\n);\n", (
        "which begins a statement after a line without end"
    )
    assert "console" not in (tmp_path / "search.html").read_text()
