"use strict";
// Sorting, filters and comparison. Without this script the page is a plain table, newest run first.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const body = $("table").tBodies[0];
  const rows = [...body.rows];
  const words = new Map(rows.map((row) => [row, `${row.id} ${row.textContent}`.toLowerCase()]));
  const boxes = new Map(rows.map((row) => [row.id, row.querySelector(".pick input")]));

  // Elements are made from text alone, never from markup.
  const make = (tag, classes = "", text = "") => {
    const made = document.createElement(tag);
    if (classes) made.className = classes;
    if (text) made.textContent = text;
    return made;
  };
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  // Order
  const sort = (key, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const value = (row) => data.runs[row.id].keys[key];
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null); // what was not measured comes last
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    };
    body.append(...rows.sort(compare));
    for (const heading of document.querySelectorAll("th[data-key]")) {
      if (heading.dataset.key === key) heading.setAttribute("aria-sort", direction);
      else heading.removeAttribute("aria-sort");
    }
    $("order").value = `${key} ${direction}`;
  };
  for (const heading of document.querySelectorAll("th[data-key]")) {
    const button = make("button", "", heading.textContent);
    button.type = "button";
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const other = now === "ascending" ? "descending" : "ascending";
      sort(heading.dataset.key, now ? other : heading.dataset.first);
    });
    // For a narrow screen, where the headings are only heard and the order is chosen elsewhere.
    heading.replaceChildren(button, make("span", "heard", heading.textContent));
  }
  $("order").addEventListener("change", () => sort(...$("order").value.split(" ")));

  // Filters
  const filter = () => {
    const wanted = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
    const subject = $("subject").value;
    const badges = [...document.querySelectorAll("[name=badge]:checked")].map((box) => box.value);
    let shown = 0;
    for (const row of rows) {
      const own = row.dataset.badges.split("|");
      const fits = (!subject || row.dataset.subject === subject)
        && (!badges.length || badges.some((badge) => own.includes(badge)))
        && wanted.every((word) => words.get(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    $("shown").textContent = shown === rows.length ? "" : `${shown} of ${plural(rows.length, "run")}`;
    $("none").hidden = shown > 0;
  };
  $("filters").addEventListener("input", filter);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("reset").addEventListener("click", () => {
    $("filters").reset();
    filter();
    sort(...$("order").value.split(" "));
    $("query").focus();
  });
  // A link to a run must not lead to a row that a filter hides.
  const reveal = () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row && row.hidden) {
      $("filters").reset();
      filter();
      row.scrollIntoView();
    }
    // Not every browser opens what a link leads into.
    const folded = row && row.closest("details:not([open])");
    if (folded) {
      folded.open = true;
      row.scrollIntoView();
    }
  };

  // Comparison
  let picked = [];
  const onPick = (id, isPicked) => {
    picked = picked.filter((one) => one !== id);
    if (isPicked) picked.push(id);
    $("tray").hidden = !picked.length;
    $("compare").disabled = picked.length < 2;
    $("chosen").textContent = picked.length < 2 ? "One run chosen, choose another" : plural(picked.length, "run") + " chosen";
  };
  for (const [id, box] of boxes) box.addEventListener("change", () => onPick(id, box.checked));
  $("clear").addEventListener("click", () => {
    for (const id of [...picked]) {
      boxes.get(id).checked = false;
      onPick(id, false);
    }
  });

  const line = (what, detail, cells) => {
    const row = make("div", "line");
    const head = make("div", "what", what);
    if (detail) head.append(make("small", "", detail));
    row.append(head, ...cells);
    row.setAttribute("role", "row");
    head.setAttribute("role", "rowheader");
    for (const cell of cells) cell.setAttribute("role", "cell");
    return row;
  };
  const part = (title, first, explanation, runs, lines) => {
    const found = [make("h3", "", title), make("p", "intro", explanation)];
    if (!lines.length) return found;
    const table = make("div");
    table.setAttribute("role", "table");
    table.setAttribute("aria-label", title);
    // The names of the runs stand above all parts; here they are for those who do not see that.
    const names = line(first, "", runs.map((run) => make("div", "", run.title)));
    names.classList.add("hidden");
    for (const cell of names.children) cell.setAttribute("role", "columnheader");
    table.append(names, ...lines);
    return [...found, table];
  };
  const heads = (runs) => {
    const row = line("", "", runs.map((run) => {
      const side = make("div", "side");
      const words = make("div");
      const name = make("span", "name");
      if (run.report) {
        const link = make("a", "", run.title);
        link.href = run.report;
        name.append(link);
      } else name.textContent = run.title;
      words.append(name, make("time", "", run.when));
      for (const badge of run.badges) words.append(make("span", `badge ${badge}`, badge), " ");
      const portrait = make(run.portrait ? "img" : "span", "portrait");
      if (run.portrait) [portrait.src, portrait.alt] = [run.portrait, ""];
      side.append(portrait, words);
      return side;
    }));
    for (const one of [row, ...row.children]) one.removeAttribute("role");
    row.classList.add("heads");
    return row;
  };
  const setting = (run, number) => (number in run.settings ? run.settings[number] : data.common[number]);
  const settings = (runs) => {
    const rows = data.settings.flatMap((name, number) => {
      const values = runs.map((run) => setting(run, number));
      if (new Set(values).size === 1) return [];
      return [line(name, "", values.map((value) => {
        const cell = make("div");
        cell.append(value === null ? make("small", "", "no such setting") : make("code", "", value));
        return cell;
      }))];
    });
    const same = data.settings.length - rows.length;
    const told = rows.length ? `${plural(same, "other")} ${same === 1 ? "is" : "are"} the same.` : "All settings are the same.";
    return part("Settings that differ", "Setting", told, runs, rows);
  };
  const figure = (metric, value) => metric.share ? `${(100 * value).toFixed(0)}\u202f%` : value.toFixed(metric.places).replace("-", "\u2212");
  const range = (metric, [real, base, tuned], low, high) => {
    const at = (value) => (high > low ? 4 + 232 * (value - low) / (high - low) : 120);
    const drawing = svg("svg", { class: "range", viewBox: "0 0 240 14", "aria-hidden": "true" });
    drawing.append(svg("path", { class: "line", d: "M4 7H236" }));
    if (tuned && tuned[1] !== null) drawing.append(svg("rect", { class: "span", x: at(tuned[1]), y: 3.5, width: Math.max(1, at(tuned[2]) - at(tuned[1])), height: 7, rx: 2 }));
    if (base) drawing.append(svg("path", { class: "base", d: `M${at(base[0])} 1V13` }));
    if (real) drawing.append(svg("circle", { class: "real", cx: at(real[0]), cy: 7, r: 4 }));
    if (tuned) drawing.append(svg("circle", { class: "dot", cx: at(tuned[0]), cy: 7, r: 4.5 }));
    return drawing;
  };
  const metrics = (runs) => {
    const rows = data.metrics.flatMap((metric, number) => {
      const found = runs.map((run) => run.metrics[number]);
      const all = found.filter(Boolean).flat(2).filter((value) => value !== null);
      if (!all.length) return [];
      const [low, high] = [Math.min(...all), Math.max(...all)];
      return [line(metric.label, metric.variant, found.map((models) => {
        const cell = make("div", "figures");
        if (!models || !models[2]) cell.append(make("small", "", "not measured"));
        if (!models) return cell;
        const [real, base, tuned] = models;
        if (tuned) {
          cell.append(make("b", "", figure(metric, tuned[0])));
          if (tuned[1] !== null) cell.append(make("small", "", `${figure(metric, tuned[1])} to ${figure(metric, tuned[2])}`));
        }
        cell.append(range(metric, models, low, high));
        const bounds = [base && `base ${figure(metric, base[0])}`, real && `real ${figure(metric, real[0])}`].filter(Boolean).join(" · ");
        if (bounds) cell.append(make("small", "bounds", bounds));
        return cell;
      }))];
    });
    const told = "Dot and band: the tuned model with its interval. Line: the base model. Ring: real pictures. A row has one scale for all runs.";
    return part("Metrics", "Metric", rows.length ? told : "None of these runs was evaluated.", runs, rows);
  };
  const tile = (sheet, index, prompt) => {
    const cell = make("div");
    const [frame, picture] = [make("span", "tile"), make("img")];
    picture.src = sheet.src;
    picture.alt = `Tuned model, “${prompt}”`;
    if (sheet.pixelated) picture.className = "pixels";
    const [column, row] = [index % sheet.columns, Math.floor(index / sheet.columns)];
    Object.assign(picture.style, { width: `${100 * sheet.columns}%`, height: `${100 * sheet.rows}%`, left: `${-100 * column}%`, top: `${-100 * row}%` });
    frame.append(picture);
    cell.append(frame, make("small", "", prompt));
    return cell;
  };
  const pictures = (runs) => {
    const rows = data.templates.flatMap((template, number) => {
      const places = runs.map((run) => run.sheet ? run.sheet.prompts.findIndex(([one]) => one === number) : -1);
      if (places.every((place) => place < 0)) return [];
      return [line(template.replace("{subject}", "…"), "", places.map((place, side) => {
        if (place < 0) {
          const cell = make("div");
          cell.append(make("small", "", "not drawn"));
          return cell;
        }
        return tile(runs[side].sheet, place, runs[side].sheet.prompts[place][1]);
      }))];
    });
    const told = "Drawn by the tuned models, each prompt with the first seed of the run that could be drawn.";
    return part("The same prompts", "Prompt", rows.length ? told : "None of these runs drew pictures.", runs, rows);
  };
  const open = (ids) => {
    const runs = ids.map((id) => data.runs[id]);
    const sides = make("div", "sides");
    sides.style.setProperty("--runs", runs.length);
    sides.append(heads(runs), ...settings(runs), ...pictures(runs), ...metrics(runs));
    $("sides").replaceChildren(sides);
    $("comparison-title").textContent = `Comparison of ${plural(runs.length, "run")}`;
    if (!$("comparison").open) $("comparison").showModal();
    $("sides").scrollTop = 0;
    $("comparison-title").focus();
  };
  $("compare").addEventListener("click", () => { location.hash = `compare=${picked.join(",")}`; });
  $("close").addEventListener("click", () => $("comparison").close());
  $("comparison").addEventListener("close", () => {
    if (location.hash.startsWith("#compare=")) history.replaceState(null, "", location.href.replace(/#.*/, ""));
  });
  const follow = () => {
    const ids = location.hash.startsWith("#compare=") ? location.hash.slice(9).split(",").filter((id) => id in data.runs) : [];
    if (ids.length < 2) return reveal();
    for (const id of ids) if (!picked.includes(id)) { boxes.get(id).checked = true; onPick(id, true); }
    open(ids);
  };
  window.addEventListener("hashchange", follow);

  document.documentElement.classList.add("js");
  $("filters").hidden = false;
  $("counts").hidden = true;
  for (const box of boxes.values()) box.checked = false; // a browser restores forms after a reload
  $("filters").reset();
  sort("started", "descending");
  follow();
})();
