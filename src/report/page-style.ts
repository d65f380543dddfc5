// How the report page looks: one column on a phone, two or three beside each other on a desk, plain on paper.

import { CHART_CSS, DARK_COLOURS, LIGHT_COLOURS } from './chart-style.ts';

/** The whole style sheet of the page. */
export const PAGE_CSS = `:root{color-scheme:light dark;${LIGHT_COLOURS}--raised:#f5f7f9;--accent:#0068a8;--alarm:#a31621}
@media (prefers-color-scheme:dark){:root{${DARK_COLOURS}--raised:#1e242b;--accent:#7cc3f5;--alarm:#ff9a94}}
*{box-sizing:border-box}html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1240px;padding:1.25rem 1rem 4rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:break-word}
h1{font-size:1.7rem;line-height:1.2;margin:.2rem 0 1rem}h2{font-size:1.3rem;margin:2.6rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--grid)}
h3{font-size:1rem;margin:1.6rem 0 .5rem}p{margin:.5rem 0;max-width:75ch}a{color:var(--accent)}
.made,.notes,figcaption{color:var(--soft);font-size:.86rem}.notes p{margin:.3rem 0}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.5rem 1.2rem;margin:0}
.facts dt{color:var(--soft);font-size:.8rem}.facts dd{margin:0;font-weight:600}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;list-style:none;margin:1.4rem 0 0;padding:0;font-size:.92rem}
.warning,.strong{color:var(--alarm);font-weight:700}.warning{border-left:4px solid var(--alarm);padding-left:.7rem}
.scroll{overflow-x:auto;margin:.6rem 0;border:1px solid var(--grid);border-radius:6px}.scroll:focus-visible{outline:2px solid var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:.38rem .7rem;text-align:left;vertical-align:top}tbody tr>*{border-top:1px solid var(--grid)}
thead th{background:var(--raised);font-weight:600;vertical-align:bottom;white-space:normal}tbody th{font-weight:500}.n{text-align:right}td.n,td.s{white-space:nowrap}
td.w,th.w{min-width:30rem}td{min-width:4.5rem}tbody th{min-width:14rem;max-width:22rem;overflow-wrap:break-word}
.list{margin:.6rem 0;padding:0;max-width:95ch}.list dt{font-weight:600;margin-top:.6rem}.list dd{margin:.1rem 0 0;font-size:.94rem}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:1.2rem;align-items:start}
figure{margin:0;max-width:480px}figure svg{display:block;width:100%;height:auto}figcaption{margin-top:.35rem}
.pictures{grid-template-columns:repeat(auto-fill,minmax(min(170px,44%),1fr))}
.pictures img{display:block;max-width:100%;height:auto;image-rendering:pixelated;border-radius:3px}
pre{background:var(--raised);border:1px solid var(--grid);border-radius:6px;padding:.7rem .9rem;margin:.6rem 0;font:.82rem/1.55 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
@media (max-width:600px){th,td{padding:.3rem .45rem}tbody th{min-width:7rem;max-width:9rem}td.w,th.w{min-width:26rem}}
details{margin:.5rem 0}summary{cursor:pointer;font-weight:600;font-size:.94rem;padding:.15rem 0}details>.figures{margin:.6rem 0 1.6rem}
${CHART_CSS}
@media print{:root{color-scheme:light;${LIGHT_COLOURS}--raised:#f5f7f9;--accent:#1c2024;--alarm:#a31621}
body{max-width:none;padding:0;font-size:10.5pt}nav,.code{display:none}details::details-content{content-visibility:visible;display:block}h2,h3{break-after:avoid}figure,tr,.facts{break-inside:avoid}
.scroll{overflow:visible;border:0}table{font-size:7.8pt}th,td{padding:.2rem .35rem}td,td.w,th.w,tbody th{min-width:0}td.s{white-space:normal}
.figures{grid-template-columns:repeat(2,1fr)}.pictures{grid-template-columns:repeat(3,1fr)}pre{font-size:8pt}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}`;
