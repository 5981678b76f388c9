// Draws the charts from the figures in the page. Text goes to the library as plain labels, and
// tooltips are drawn, not written as HTML.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const narrow = () => window.innerWidth < 700;
  const count = (value) => Math.round(value).toLocaleString("en-US");

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["card", "line", "text", "soft", "kept", "fell", "dead", "source", "table"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  function common(look) {
    return {
      animation: false,
      textStyle: { color: look.text, fontFamily: 'system-ui, "DejaVu Sans", sans-serif' },
      legend: { top: 0, right: 8, textStyle: { color: look.soft }, itemWidth: 14, itemHeight: 10 },
      tooltip: {
        renderMode: "richText",
        confine: true,
        backgroundColor: look.card,
        borderColor: look.line,
        textStyle: { color: look.text, fontSize: 13 },
      },
    };
  }

  function values(look, more) {
    return {
      type: "value",
      splitNumber: narrow() ? 3 : 6,
      axisLabel: { color: look.soft, hideOverlap: true, formatter: (value) => value.toLocaleString("en-US") },
      splitLine: { lineStyle: { color: look.line } },
      nameTextStyle: { color: look.soft },
      ...more,
    };
  }

  function names(look, labels, more) {
    return {
      type: "category",
      data: labels,
      axisLabel: { color: look.text, interval: 0 },
      axisLine: { lineStyle: { color: look.line } },
      axisTick: { show: false },
      nameTextStyle: { color: look.soft },
      ...more,
    };
  }

  function flow(figure, look) {
    const kinds = { source: "source", stage: "kept", reason: "fell", dead: "dead", table: "table" };
    const byName = new Map(figure.nodes.map((node) => [node.name, node]));
    const deepest = Math.max(...figure.nodes.map((node) => node.depth));
    const label = (node) => `${node.label}\n${count(node.documents)}`;
    return {
      ...common(look),
      legend: { show: false },
      series: [{
        type: "sankey",
        left: 4,
        right: 110,
        top: 12,
        bottom: 12,
        nodeGap: 30, // room for the two lines of a label
        nodeWidth: 14,
        draggable: false,
        layoutIterations: 0,
        emphasis: { focus: "adjacency" },
        data: figure.nodes.map((node) => ({
          name: node.name,
          depth: Math.min(node.depth, deepest),
          itemStyle: { color: look[kinds[node.kind]], borderWidth: 0 },
        })),
        links: figure.links.map((link) => ({
          ...link,
          lineStyle: { color: look[kinds[byName.get(link.target).kind]], opacity: 0.28 },
        })),
        label: {
          color: look.text,
          fontSize: 12,
          lineHeight: 14,
          formatter: (at) => label(byName.get(at.name)),
        },
        labelLayout: { hideOverlap: true },
        lineStyle: { curveness: 0.5 },
        tooltip: {
          formatter: (at) => {
            if (at.dataType === "edge") {
              const ends = [at.data.source, at.data.target].map((name) => byName.get(name).whole);
              return `${ends.join(" → ")}: ${count(at.data.value)}`;
            }
            const node = byName.get(at.name);
            return `${node.whole}  ${count(node.documents)}` + (node.about ? `\n${node.about}` : "");
          },
        },
      }],
    };
  }

  function bars(name, data, colour, more) {
    return { name, type: "bar", data, itemStyle: { color: colour }, barMaxWidth: 26, ...more };
  }

  function languages(figure, look) {
    const total = (at) => count(figure.kept[at.dataIndex] + at.value);
    const all = { show: true, position: "right", color: look.soft, formatter: total };
    return {
      ...common(look),
      tooltip: { ...common(look).tooltip, trigger: "axis", axisPointer: { type: "shadow" } },
      grid: { left: 8, right: 70, top: 30, bottom: 4, containLabel: true },
      xAxis: values(look, {}),
      yAxis: names(look, figure.labels, { inverse: true }),
      series: [
        bars("kept", figure.kept, look.kept, { stack: "all" }),
        bars("fell", figure.fell, look.fell, { stack: "all", label: all }),
      ],
    };
  }

  function scores(figure, look) {
    const width = 1 / figure.counts.length;
    const middles = figure.counts.map((value, at) => [(at + 0.5) * width, value]);
    const few = figure.thresholds.length <= 9; // more cannot be told apart: the table names them
    const lines = figure.thresholds.map((one, at) => ({
      xAxis: one.at,
      label: {
        show: few,
        formatter: `${one.about} ${one.at}`,
        color: look.dead,
        distance: 4 + (at % 3) * 15,
      },
    }));
    return {
      ...common(look),
      grid: { left: 8, right: 24, top: lines.length ? 52 : 12, bottom: 8, containLabel: true },
      xAxis: values(look, { min: 0, max: 1, splitLine: { show: false } }),
      yAxis: values(look, {}),
      series: [bars("files", middles, look.source, {
        barWidth: "92%",
        barMaxWidth: undefined,
        markLine: { symbol: "none", data: lines, lineStyle: { color: look.dead, type: "solid" } },
      })],
      legend: { show: false },
    };
  }

  function clusters(figure, look) {
    const shown = { show: true, position: "top", color: look.soft };
    const label = { ...shown, formatter: (at) => (at.value ? count(at.value) : "") };
    return {
      ...common(look),
      grid: { left: 8, right: 8, top: 34, bottom: 24, containLabel: true },
      xAxis: names(look, figure.labels, {
        name: "documents in a cluster",
        nameLocation: "middle",
        nameGap: narrow() ? 58 : 30,
        axisLabel: { color: look.text, interval: 0, rotate: narrow() ? 40 : 0 },
      }),
      yAxis: values(look, { minInterval: 1 }),
      series: [
        bars("near", figure.near, look.fell, { label }),
        bars("exact", figure.exact, look.source, { label }),
      ],
    };
  }

  function steps(figure, look) {
    const label = { show: true, position: "right", color: look.soft };
    return {
      ...common(look),
      grid: { left: 8, right: 70, top: 30, bottom: 4, containLabel: true },
      xAxis: values(look, {}),
      yAxis: names(look, figure.labels, { inverse: true }),
      series: [
        bars("CPU seconds", figure.cpu, look.source, { label: { ...label, formatter: "{c} s" } }),
        bars("wall seconds", figure.wall, look.table, {}),
      ],
    };
  }

  function pace(figure, look) {
    const points = figure.counts.map((value, at) => [figure.began + (at + 0.5) * figure.bin, value]);
    return {
      ...common(look),
      useUTC: true,
      legend: { show: false },
      grid: { left: 8, right: 24, top: 16, bottom: 4, containLabel: true },
      xAxis: { type: "time", axisLabel: { color: look.soft, hideOverlap: true } },
      yAxis: values(look, {}),
      series: [{
        type: "line",
        step: "middle",
        data: points,
        showSymbol: points.length < 3,
        lineStyle: { color: look.source },
        itemStyle: { color: look.source },
        areaStyle: { color: look.source, opacity: 0.2 },
      }],
    };
  }

  const kinds = { flow, languages, scores, clusters, steps, pace };
  const drawn = Object.entries(figures).map(([id, figure]) => {
    const element = document.getElementById(id);
    if (figure.labels && (figure.kind === "languages" || figure.kind === "steps")) {
      element.style.height = `${60 + figure.labels.length * (figure.kind === "steps" ? 40 : 24)}px`;
    }
    return { figure, element, chart: echarts.init(element, null, { renderer: "svg" }) };
  });

  function draw() {
    const look = colours();
    for (const { figure, element, chart } of drawn) {
      chart.resize();
      chart.setOption(kinds[figure.kind](figure, look), { notMerge: true });
      element.dataset.drawn = "yes";
    }
  }

  draw();
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 100);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
