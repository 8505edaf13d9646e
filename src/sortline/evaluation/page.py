"""The page a report stands on: no script, nothing loaded, light, dark and on paper."""

from sortline.evaluation.markup import Html, tag, text

# A hostile name that got through all escaping could still neither run nor load anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f5f6f9; --surface: #fff; --sunken: #eef0f5;
  --ink: #151a23; --soft: #545e70; --hair: #dfe3eb; --edge: #818b9c;
  --right: #0072b2; --wrong: #c25400; --good: #14653a; --good-tint: #dff5e7; --keep: #784800; --keep-tint: #fdeecb;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1219; --surface: #181d27; --sunken: #222936;
    --ink: #eef1f7; --soft: #a7b1c2; --hair: #2f3746; --edge: #717d92;
    --right: #4aa8e8; --wrong: #ff9450; --good: #86e3ae; --good-tint: #143323; --keep: #ffd07a; --keep-tint: #3a2b0c;
  }
}
* { box-sizing: border-box; }
body {
  max-width: 1120px; margin: 0 auto; padding: 32px clamp(16px, 4vw, 40px) 64px; background: var(--ground);
  color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1, h2, h3 { margin: 0; line-height: 1.25; letter-spacing: -.01em; text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; }
h2 { margin-bottom: 4px; font-size: 1.2rem; }
h3 { margin: 20px 0 6px; font-size: 1rem; }
p { margin: 0 0 10px; }
header p, .note, figcaption, footer { color: var(--soft); }
.note { max-width: 78ch; font-size: .9rem; }
section, .verdict {
  margin-top: 20px; padding: 20px 24px; border: 1px solid var(--hair); border-radius: 14px; background: var(--surface);
}
.verdict { border-color: transparent; background: var(--keep-tint); }
.verdict.promote { background: var(--good-tint); }
.verdict h2 {
  display: flex; gap: 10px; align-items: center; margin-bottom: 8px;
  color: var(--keep); font-size: 1.5rem;
}
.verdict.promote h2 { color: var(--good); }
.verdict ul { margin: 0; padding-left: 20px; font-size: 1.05rem; }
.verdict li { margin: 4px 0; overflow-wrap: anywhere; }
.checks { margin: 0; padding: 0; list-style: none; }
.checks li {
  display: grid; grid-template-columns: 26px 140px 1fr; padding: 7px 0; border-top: 1px solid var(--hair);
  font-size: .93rem;
}
.checks li:first-child { border-top: 0; }
.checks b { font-weight: 600; }
.checks span:last-child { color: var(--soft); overflow-wrap: anywhere; }
.mark { color: var(--good); font-weight: 700; }
.failed .mark, .failed b, .down { color: var(--wrong); }
.up { color: var(--right); }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 10px; border-bottom: 1px solid var(--hair); text-align: right; vertical-align: baseline; }
th:first-child { padding-left: 0; text-align: left; overflow-wrap: anywhere; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-size: .85rem; font-weight: 600; white-space: nowrap; }
tbody th { min-width: 9em; font-weight: 600; }
td { white-space: nowrap; }
.main td { font-size: 1.02rem; font-weight: 600; }
.main small, td small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
.tag {
  display: inline-block; margin-left: 8px; padding: 0 8px; border-radius: 99px; background: var(--sunken);
  color: var(--soft); font-size: .78rem; font-weight: 500; white-space: nowrap;
}
.tag.warn { background: var(--keep-tint); color: var(--keep); }
.strip { margin: 14px 0 8px; }
.strip svg { display: block; width: 100%; max-width: 720px; height: auto; }
.pair {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); gap: 16px; align-items: start;
}
.pair.stacked { grid-template-columns: 1fr; }
.plot { display: block; width: 100%; height: auto; margin: 6px auto; }
.plot * { stroke-linejoin: round; stroke-linecap: butt; }
.plot text { font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif !important; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(158px, 1fr)); gap: 14px; margin-top: 12px; }
figure { margin: 0; border: 1px solid var(--hair); border-radius: 10px; overflow: hidden; break-inside: avoid; }
figure img, .blank { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--sunken); }
.blank { display: grid; place-items: center; color: var(--soft); font-size: .85rem; }
figcaption { padding: 8px 10px 10px; font-size: .85rem; line-height: 1.4; overflow-wrap: anywhere; }
figcaption b { color: var(--ink); }
figcaption .name { display: block; overflow: hidden; font-size: .75rem; text-overflow: ellipsis; white-space: nowrap; }
pre {
  margin: 0; padding: 14px 16px; border-radius: 10px; background: var(--sunken); font: .85rem/1.5 ui-monospace,
  SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
}
dl {
  display: grid; grid-template-columns: minmax(120px, max-content) 1fr; gap: 6px 20px; margin: 0; font-size: .93rem;
}
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 28px; font-size: .85rem; }
footer p { max-width: 100ch; }
@media (max-width: 560px) {
  section, .verdict { padding: 16px; }
  .checks li { grid-template-columns: 26px 1fr; }
  .checks span:last-child { grid-column: 2; }
}
@media print {
  @page { margin: 14mm; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  :root { color-scheme: light; --ground: #fff; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  section { border: 0; border-top: 1px solid var(--hair); border-radius: 0; padding: 14px 0; }
  .wide { overflow: visible; }
  .plot, tr, .checks li, .verdict { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .gallery { grid-template-columns: repeat(5, 1fr); }
}
"""


def page(title: str, *body: Html) -> str:
    """A whole document."""
    head = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", text(title)),
        Html(f"<style>{_STYLE}</style>"),
    ]
    document = tag("html", tag("head", *head), tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{document}\n"
