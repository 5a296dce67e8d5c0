"""The style sheet of a report: light, dark, phone and print."""

CSS = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1b2129; --soft: #5a6572; --rule: #dde2e8;
  --main: #1f6feb; --bound: #8250df; --asked: #bf5700; --good: #1a7f37; --bad: #b35900; --plus: #d63e2a;
  --minus: #266ed8; --cell: 38, 110, 216; }
@media (prefers-color-scheme: dark) { :root { --page: #0e1116; --card: #171b22; --ink: #e4e9f0; --soft: #9aa6b4;
  --rule: #2d343e; --main: #58a6ff; --bound: #bc8cff; --asked: #f0883e; --good: #3fb950; --bad: #f0a04b;
  --plus: #f0705c; --minus: #6aa5f5; --cell: 88, 150, 245; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 40px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 32px 0 10px; }
h3 { font-size: 1rem; margin: 0 0 8px; }
p { margin: 0 0 10px; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .92rem; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; min-width: 0; }
.verdict { border-left: 6px solid var(--bad); margin: 18px 0; }
.verdict.passed { border-left-color: var(--good); }
.verdict strong { font-size: 1.15rem; color: var(--bad); }
.verdict.passed strong { color: var(--good); }
.verdict.local { border-left-color: var(--main); }
.verdict.local strong { color: var(--ink); }
.verdict p { margin: 4px 0 0; }
.grid { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
.columns { columns: 2 400px; column-gap: 14px; }
.columns .card { break-inside: avoid; margin: 0 0 14px; }
.figures { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); margin: 0; }
.figures div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 8px 12px; }
.figures + .card, .figures + .grid, .card + .card, .card + .grid, .grid + .card, .grid + .grid,
  .soft + .card { margin-top: 14px; }
.grid + .soft, .card + .soft { margin-top: 8px; }
.columns .card + .card, .grid > .card, .grid .card + .card { margin-top: 0; }
.figures dt { color: var(--soft); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; max-width: 620px; margin: 0 auto; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg text.title { fill: var(--ink); font-size: 14px; font-weight: 600; }
svg path { fill: none; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg path.main { stroke: var(--main); stroke-width: 2; stroke-linejoin: round; }
svg circle.main { fill: var(--main); }
svg path.second { stroke: var(--asked); stroke-width: 2; stroke-linejoin: round; }
svg circle.second { fill: var(--asked); }
svg path.chance { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 4 4; }
svg path.bound { stroke: var(--bound); stroke-width: 1.6; stroke-dasharray: 6 3; }
svg path.asked { stroke: var(--asked); stroke-width: 1.6; stroke-dasharray: 2 3; }
svg path.zero { stroke: var(--asked); stroke-width: 1.4; }
svg path.level { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 5 3; }
svg circle.dot { fill: var(--main); fill-opacity: .45; }
svg rect.main { fill: var(--main); } svg rect.second { fill: var(--asked); }
svg rect.plus { fill: var(--plus); } svg rect.minus { fill: var(--minus); }
.pictures { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)); }
.pictures figure { margin: 0; text-align: center; }
.pictures img { width: 100%; height: auto; display: block; image-rendering: pixelated; border: 1px solid var(--rule);
  border-radius: 4px; }
.pictures figcaption { font-size: .88rem; overflow-wrap: anywhere; }
.key { display: flex; align-items: center; gap: 8px; max-width: 420px; margin: 12px 0 0; font-size: .88rem; }
.key span.bar { flex: 1; height: 12px; border-radius: 3px; border: 1px solid var(--rule);
  background: linear-gradient(90deg, rgb(38, 110, 216), transparent 50%, rgb(214, 62, 42)); }
table.numbers td, table.numbers th { white-space: nowrap; }
table.mistakes { min-width: 560px; }
table.mistakes td, table.mistakes th { overflow-wrap: normal; }
table.mistakes td:last-child { color: var(--soft); overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.card ul { margin: 0; padding-left: 20px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: anywhere; }
table.facts { table-layout: fixed; }
table.facts th { font-weight: 500; color: var(--soft); width: 40%; }
tr:last-child > * { border-bottom: 0; }
table.confusion { width: auto; border-collapse: separate; border-spacing: 2px; font-variant-numeric: tabular-nums; }
table.confusion th, table.confusion td { border: 0; padding: 3px 7px; text-align: right; font-weight: 400;
  white-space: nowrap; border-radius: 3px; }
table.confusion td { background: rgba(var(--cell), var(--a, 0)); }
table.confusion td.hit { font-weight: 700; }
table.confusion.small { font-size: .8rem; border-spacing: 1px; }
table.confusion.small th, table.confusion.small td { padding: 2px 4px; }
table.confusion th { color: var(--soft); }
@media (max-width: 480px) { main { padding: 16px 12px 32px; } .card { padding: 12px; }
  table.confusion { font-size: .76rem; border-spacing: 1px; }
  table.confusion th, table.confusion td { padding: 2px 4px; } }
footer { margin-top: 32px; color: var(--soft); font-size: .88rem; }
@media print { :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ddd; --main: #1f6feb;
  --bound: #8250df; --asked: #bf5700; --good: #1a7f37; --bad: #b35900; --plus: #d63e2a; --minus: #266ed8;
  --cell: 38, 110, 216; }
  body { font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; } .card, figure, svg, tr { break-inside: avoid; } h2 { break-after: avoid; }
  .grid { grid-template-columns: 1fr 1fr; } table.numbers td, table.numbers th { white-space: nowrap; }
table.mistakes { min-width: 560px; }
table.mistakes td, table.mistakes th { overflow-wrap: normal; }
table.mistakes td:last-child { color: var(--soft); overflow-wrap: anywhere; }
.scroll { overflow: visible; }
  .columns { columns: 2 auto; } .figures { grid-template-columns: repeat(6, 1fr); } .figures dd { font-size: 1rem; }
  table.confusion { font-size: .75rem; border-spacing: 1px; }
  table.confusion th, table.confusion td { padding: 2px 4px; } }
"""
