"""An SVG of horizontal bars with whiskers, which reads on light and on dark pages."""

WIDTH, LEFT, BAR, GAP, TOP = 760, 210, 18, 8, 34
STYLE = """text { font: 13px sans-serif; fill: #57606a } .ours { fill: #1f77b4 } .others { fill: #b0b7be }
.whisker { stroke: #57606a; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #b0b7be } .others { fill: #6e7681 } }"""


def bars(title, rows):
    """rows: (label, ours or not, lower quartile, median, upper quartile)."""
    height = TOP + len(rows) * (BAR + GAP)
    scale = (WIDTH - LEFT - 60) / max(row[4] for row in rows)
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{title}</title><style>{STYLE}</style>",
        f'<text x="0" y="16">{title}</text>',
    ]
    for i, (label, ours, low, median, high) in enumerate(rows):
        y = TOP + i * (BAR + GAP)
        middle, text = y + BAR / 2, y + BAR - 5
        svg += [
            f'<text x="{LEFT - 8}" y="{text}" text-anchor="end">{label}</text>',
            f'<rect class="{"ours" if ours else "others"}" x="{LEFT}" y="{y}"'
            f' width="{median * scale:.1f}" height="{BAR}"/>',
            f'<line class="whisker" x1="{LEFT + low * scale:.1f}" x2="{LEFT + high * scale:.1f}"'
            f' y1="{middle}" y2="{middle}"/>',
            f'<text x="{LEFT + high * scale + 6:.1f}" y="{text}">{median:.0f}</text>',
        ]
    return "\n".join(svg + ["</svg>", ""])
