"use strict";
// The list of items: sorted, filtered and opened on demand. All text goes in as text nodes, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const names = data.names; // names[0] is the reference; every list of an item runs parallel to it
  const { item: kind, items: kinds, answer, answers, facts: known } = data.words; // what the task calls its things
  const at = (id) => document.getElementById(id);
  const shownColumns = new Set(names.keys());

  function make(tag, options, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options || {})) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  // ---- one item ----------------------------------------------------------------------------------------------
  const focus = () => Number(at("focus").value);
  const verdict = (item, system) => item.verdicts[system];
  const causes = (item, system) => (verdict(item, system) || { causes: [] }).causes;
  const met = (item, system) => Object.values((verdict(item, system) || { marks: {} }).marks).filter(Boolean).length;
  // Whether every mark is met; undefined where there is none: the system, or the item, was not judged.
  function good(item, system) {
    const marks = Object.values((verdict(item, system) || { marks: {} }).marks);
    return marks.length ? marks.every(Boolean) : undefined;
  }

  function badge(label, value) {
    if (value === undefined || value === null) return make("span", { class: "badge none" }, label + " not scored");
    return make("span", { class: "badge " + (value ? "ok" : "bad") }, (value ? "\u2713 " : "\u2717 ") + label);
  }

  const badges = (item, system) => data.marks.map((mark) => badge(mark, ((verdict(item, system) || {}).marks || {})[mark]));

  // "hotel \u2713 \u2717": the marks of a part of the item, in order.
  function partBadge(part, marks) {
    const spelt = part + ": " + Object.entries(marks).map(([mark, value]) => mark + " " + (value ? "met" : "missed")).join(", ");
    const all = Object.values(marks).every(Boolean);
    return make("span", { class: "badge " + (all ? "ok" : "bad"), role: "img", "aria-label": spelt, title: spelt },
      part + Object.values(marks).map((value) => (value ? " \u2713" : " \u2717")).join(""));
  }

  function verdictBadges(item, system) {
    const found = verdict(item, system);
    if (!found) return null;
    const parts = Object.entries(found.detail).map(([part, marks]) => partBadge(part, marks));
    return make("div", { class: "marks" }, ...badges(item, system), ...parts);
  }

  const spoken = (value) => (Array.isArray(value) ? value.join(", ")
    : value && typeof value === "object" ? Object.entries(value).map(([key, item]) => key + " " + spoken(item)).join(", ")
    : String(value));

  // What holds for the whole item: a user's goal, by domain.
  function knownLine(facts) {
    const title = known[0].toUpperCase() + known.slice(1);
    const line = make("div", { class: "known", "aria-label": title }, make("span", {}, title));
    if (Object.values(facts).every((wishes) => spoken(wishes || {}) === "")) return null;
    for (const [part, wishes] of Object.entries(facts)) {
      const said = Object.entries(wishes || {}).filter(([, value]) => spoken(value) !== "")
        .map(([what, value]) => (what === "informable" ? "" : what === "requestable" ? "asks " : what + " ") + spoken(value));
      line.append(make("span", {}, make("b", {}, part), " " + said.join(" \u00b7 ")));
    }
    return line;
  }

  // What the user has asked for so far; what this turn added or changed is strong.
  function stateLine(state, before) {
    const line = make("p", { class: "state" });
    for (const [domain, slots] of Object.entries(state)) {
      if (!Object.keys(slots).length) continue;
      line.append(line.childNodes.length ? " \u00b7 " : "", make("b", {}, domain));
      for (const [slot, value] of Object.entries(slots)) {
        const old = spoken((before[domain] || {})[slot]) === spoken(value);
        line.append(" ", make(old ? "span" : "strong", {}, slot + "=" + spoken(value)));
      }
    }
    return line.childNodes.length ? line : null;
  }

  // parts: same, missing, extra, same, missing, extra, ...
  function reply(parts) {
    if (!parts) return make("span", { class: "missing" }, "no " + answer);
    if (parts.join("") === "") return make("span", { class: "missing" }, "empty " + answer);
    const text = make("span", { class: "said" });
    const different = parts.length === 3 && parts[0] === ""; // nothing shared: the reference need not be repeated
    parts.forEach((part, place) => {
      const [space, rest] = [/^\s*/.exec(part)[0], part.trimStart()];
      if (place % 3 === 0) text.append(part);
      else if (rest && !(different && place === 1)) text.append(space, make(place % 3 === 1 ? "del" : "ins", {}, rest));
      else if (place % 3 === 2) text.append(space);
    });
    return text;
  }

  // What a system wrote before its answer (a call); where it begins to be wrong says so, as later ones inherit a state.
  function stepLine(item, number, system) {
    const { step, state } = item.turns[number];
    if (!step || !step.texts[system]) return null;
    const before = number && item.turns[number - 1].step ? item.turns[number - 1].step.wrong[system] : false;
    const now = step.wrong[system], what = Object.keys(state).length ? "state " : "";
    const news = now === null || now === before ? null
      : make("span", { class: "badge " + (now ? "bad" : "ok") }, what + (now ? "wrong from here" : "right again"));
    return make("div", { class: "call" }, reply(step.texts[system]), news && " ", news);
  }

  function body(item) {
    const columns = [...shownColumns].sort((a, b) => a - b);
    const head = make("tr", { role: "row" }, ...columns.map((system) => make("th",
      { scope: "col", role: "columnheader" }, names[system], verdictBadges(item, system),
      causes(item, system).length
        ? make("ul", { class: "causes" }, ...causes(item, system).map((cause) => make("li", {}, cause))) : null)));
    const table = make("table", { class: "turns", role: "table", "aria-label": kind + " " + item.key },
      make("thead", { role: "rowgroup" }, head));
    item.turns.forEach((turn, number) => {
      const before = number ? item.turns[number - 1].state : {};
      table.append(make("tbody", { role: "rowgroup" },
        make("tr", { role: "row" }, make("th", { scope: "rowgroup", role: "rowheader", colspan: Math.max(1, columns.length) },
          make("span", { class: "turn" }, "User " + (number + 1)), turn.prompt, stateLine(turn.state, before))),
        make("tr", { role: "row" }, ...columns.map((system) => make("td", { role: "cell" },
          make("span", { class: "who" }, names[system]), stepLine(item, number, system), reply(turn.answers[system]))))));
    });
    return make("div", { class: "body" }, knownLine(item.facts), table);
  }

  // ---- the list ----------------------------------------------------------------------------------------------
  const entries = data.items.map((item, order) => {
    const summary = make("summary");
    const details = make("details", { id: "item-" + item.key }, summary);
    const entry = { item, order, summary, details, row: make("li", {}, details), words: null };
    details.addEventListener("toggle", () => draw(entry));
    return entry;
  });

  // An open item has a body, a closed one has none: memory stays with what is on the screen.
  function draw(entry) {
    entry.details.querySelectorAll(".body").forEach((old) => old.remove());
    if (entry.details.open) entry.details.append(body(entry.item));
  }

  function summarise(entry) {
    const overlap = entry.item.overlap[focus()];
    entry.summary.replaceChildren(
      make("span", { class: "key" }, entry.item.key),
      make("span", { class: "parts" }, Object.keys(entry.item.facts).join(", ")), ...badges(entry.item, focus()),
      make("span", { class: "overlap" }, overlap === null ? "no " + answers : "overlap " + overlap.toFixed(0) + " %"));
  }

  function words(entry) {
    const { key, facts, turns } = entry.item;
    entry.words = entry.words || [key, spoken(facts), ...turns.flatMap((turn) => [turn.prompt,
      ...[...turn.answers, ...(turn.step ? turn.step.texts : [])].map((parts) => (parts || []).filter((_, place) => place % 3 !== 1).join(""))])].join("\n").toLowerCase();
    return entry.words;
  }

  const low = (value, none) => (value === null ? none : value);
  const passed = (entry) => met(entry.item, focus());
  const overlapOf = (entry) => entry.item.overlap[focus()];
  const orders = {
    order: (a, b) => a.order - b.order,
    key: (a, b) => a.item.key.localeCompare(b.item.key, "en", { numeric: true }),
    verdict: (a, b) => passed(a) - passed(b) || a.order - b.order,
    low: (a, b) => low(overlapOf(a), 101) - low(overlapOf(b), 101) || a.order - b.order,
    high: (a, b) => low(overlapOf(b), -1) - low(overlapOf(a), -1) || a.order - b.order,
  };

  function keep(entry) {
    const show = at("show").value;
    return (show === "all" || good(entry.item, focus()) === (show === "passed"))
      && (!at("cause").value || causes(entry.item, focus()).includes(at("cause").value))
      && words(entry).includes(at("text").value.toLowerCase().trim());
  }

  function arrange() {
    at("list").replaceChildren(...[...entries].sort(orders[at("sort").value]).map((entry) => entry.row));
  }

  function filter() {
    let count = 0;
    for (const entry of entries) {
      entry.row.hidden = !keep(entry);
      count += entry.row.hidden ? 0 : 1;
    }
    at("status").textContent = count + " of " + entries.length + " " + kinds + " shown";
  }

  // ---- controls ----------------------------------------------------------------------------------------------
  function fillCauses() {
    const counts = new Map();
    for (const { item } of entries) for (const cause of new Set(causes(item, focus()))) counts.set(cause, (counts.get(cause) || 0) + 1);
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const wanted = at("cause").value;
    at("cause").replaceChildren(make("option", { value: "" }, "any"),
      ...sorted.map(([cause, count]) => make("option", { value: cause }, cause + " (" + count + ")")));
    at("cause").value = counts.has(wanted) ? wanted : "";
  }

  function refocus() {
    fillCauses();
    entries.forEach(summarise);
    arrange();
    filter();
  }

  function step(by) {
    const shown = [...at("list").children].filter((row) => !row.hidden).map((row) => row.querySelector("summary"));
    const here = shown.findIndex((summary) => summary.closest("li").contains(document.activeElement));
    const next = shown[here < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, here + by))];
    if (next) next.focus();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    if (event.key === "/") { event.preventDefault(); at("text").focus(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  }

  function openLinked() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const entry = entries.find((one) => one.details.id === wanted);
    if (entry) { entry.details.open = true; entry.row.scrollIntoView(); }
  }

  names.forEach((name, system) => {
    if (system) at("focus").append(make("option", { value: system }, name));
    const box = make("input", { type: "checkbox", checked: "" });
    box.addEventListener("change", () => {
      if (box.checked) shownColumns.add(system); else shownColumns.delete(system);
      entries.filter((entry) => entry.details.open).forEach(draw);
    });
    at("columns").append(make("label", {}, box, name));
  });
  if (names.length === 1) at("focus").append(make("option", { value: 0 }, names[0]));
  at("focus").value = String(data.focus);
  at("focus").addEventListener("change", refocus);
  at("sort").addEventListener("change", arrange);
  at("text").addEventListener("input", filter);
  for (const id of ["show", "cause"]) at(id).addEventListener("change", filter);
  at("marks").addEventListener("change", () => at("list").classList.toggle("plain", !at("marks").checked));
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", openLinked);
  refocus();
  at("controls").hidden = false;
  openLinked();
})();
