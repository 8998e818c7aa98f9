"use strict";
// What replies can be asked to be (emotions): one is chosen for the next reply, or all are shown side by side. Functions
// alone, for chat.js, which is loaded next and has the rest.

/** Offer the choices of a conversation, if there are any. */
function offer(choices, chosen) {
  $("choices").dataset.chosen = chosen;
  $("choices").hidden = $("each").hidden = !choices.length;
  const legend = $("choices").querySelector("legend");
  $("choices").replaceChildren(legend, ...choices.map((name) => {
    const button = make("input", "");
    Object.assign(button, { type: "radio", name: "choice", value: name, checked: name === chosen });
    return make("label", "", button, ` ${name}`);
  }));
}

/** Tell the server what the replies to come shall be; what is marked on the page is always what it answered. */
async function choose(name) {
  let chosen = $("choices").dataset.chosen;
  try {
    ({ chosen } = await (await ask("choose", { choice: name })).json());
    status(`The next reply: ${chosen}.`);
  } catch (error) {
    status(error.message, true);
  }
  $("choices").dataset.chosen = chosen;
  for (const button of $("choices").querySelectorAll("input")) button.checked = button.value === chosen;
  return chosen === name;
}

/** Return facts on a reply as a list; a mark says whether they are as was asked for. */
function facts(found) {
  return make("ul", "facts", ...found.map((fact) => make("li", look(fact), `${fact.name}: ${marked(fact)}`)));
}

function look({ right }) {
  return right === null ? "" : right ? "right" : "wrong";
}

function marked({ text, right }) {
  return text + (right === null ? "" : right ? " ✓" : " ✗");
}

/** Show a reply with each choice in a table, as they come; the conversation stays as it is. */
async function showEach(text) {
  setBusy(new AbortController());
  await opened;
  const head = make("tr", ""), body = make("tbody", ""), who = make("span", "who", `Replies to “${text}”`);
  const every = make("li", "every", who, make("table", "", make("thead", "", head), body));
  const count = $("choices").querySelectorAll("input").length;
  $("log").append(every);
  try {
    status(`The model is writing reply 1 of ${count} …`);
    for await (const { error, choice, answer } of lines(await ask("each", { text }, busy.signal))) {
      if (error) throw new Error(error);
      if (!choice) continue;
      const verdicts = answer.facts.filter(({ right }) => right !== null);
      if (!body.childElementCount) begin(head, who, answer.facts[0], verdicts);
      body.append(row(text, choice, answer, verdicts));
      status(`The model is writing reply ${body.childElementCount + 1} of ${count} …`);
      follow();
    }
    status("Choose one of the emotions above to send your message and keep its reply.");
  } catch (error) {
    every.remove();
    status(busy.signal.aborted ? "Stopped." : error.message, !busy.signal.aborted);
  }
  setBusy(null);
}

/** Write what all rows of a table share: its columns, and what the user's message was taken for. */
function begin(head, who, first, verdicts) {
  const columns = ["Asked for", "Reply", ...verdicts.map(({ name }) => name)].map((name) => make("th", "", name));
  for (const column of columns) column.scope = "col";
  head.append(...columns);
  if (first) who.append(` · ${first.name}: ${first.text}`);
}

function row(text, choice, answer, verdicts) {
  const button = make("button", "", choice);
  button.type = "button";
  button.title = "Send the message, with this emotion for its reply";
  button.addEventListener("click", async () => {
    if (busy || !(await choose(choice))) return;
    if ($("text").value.trim() === text) $("text").value = "";
    say(text);
  });
  const head = make("th", "", button);
  head.scope = "row";
  const cells = verdicts.map((fact) => {
    const cell = make("td", look(fact), marked(fact));
    cell.dataset.of = fact.name;
    return cell;
  });
  return make("tr", "", head, make("td", "said", answer.filled || "(an empty answer)"), ...cells);
}
