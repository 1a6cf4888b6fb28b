// Labelling: one item at a time, by keys or by mouse. The service keeps the item; drafts stay in this tab.

import { ask, element, make, newRequest } from "./requests.js";

const main = element("main");
const base = `/campaigns/${encodeURIComponent(main.dataset.campaign)}`;
const rater = main.dataset.rater;
const CHOICES = {
  first: ["A is better", "1"],
  tie: ["Equal", "0"],
  both_bad: ["Both bad", "X"],
  second: ["B is better", "2"],
};
const KEYS = { "1": "first", a: "first", "2": "second", b: "second", "0": "tie", t: "tie", x: "both_bad" };
const NOTHING = {
  done: ["All done", "You have judged everything that is here for you. Thank you."],
  waiting: ["Nothing right now", "Others are at work on the rest; some of it may come back in a few minutes."],
  preparing: ["Not ready yet", "Answers are still being written for this campaign."],
  closed: ["This campaign is closed", "No more judgements are taken. Thank you for yours."],
};

let card = null; // what is shown
let request = ""; // of the answer to it
let tiers = []; // of a ranking under way: positions, best first
let busy = false;
let pending = null; // a choice that waits for its strength
let shown = 0; // milliseconds that this card was looked at
let since = 0;

const letter = (position) => "ABCDEFGH"[position];
const key = (name) => make("kbd", { textContent: name });
const draftKey = () => `draft ${main.dataset.campaign} ${card.id}`;

async function exchange(path, body) {
  if (busy) return;
  setBusy(true);
  try {
    const found = await ask(`${base}/${path}`, { ...body, rater });
    element("problem").hidden = true;
    if (card && path === "judge") sessionStorage.removeItem(draftKey());
    show(found);
  } catch (error) {
    tell(error.message);
  } finally {
    setBusy(false);
  }
}

function tell(problem) {
  element("problem").textContent = problem;
  element("problem").hidden = false;
}

function setBusy(now) {
  busy = now;
  for (const button of document.querySelectorAll("#choices button, #skip, #undo")) button.disabled = now;
}

function show(found) {
  const all = found.judged + found.open;
  element("counts").textContent = `${found.judged} judged, ${found.open} open`;
  element("bar").max = Math.max(all, 1);
  element("bar").value = found.judged;
  element("undo").hidden = found.judged === 0;
  card = found.card;
  [request, tiers, pending, shown, since] = [newRequest(), [], null, 0, performance.now()];
  element("card").hidden = !card;
  element("nothing").hidden = Boolean(card);
  if (!card) return showNothing(found.nothing_left);
  fill();
  element("status").textContent = `${card.kind === "demonstration" ? "Prompt" : "Pair"} ${found.judged + 1} of ${all}`;
}

function showNothing(why) {
  [element("nothing-title").textContent, element("nothing-text").textContent] = NOTHING[why] ?? NOTHING.done;
  element("again").hidden = why === "done" || why === "closed";
  element("status").textContent = element("nothing-title").textContent;
}

function fill() {
  const writes = card.kind === "demonstration";
  element("domain").textContent = card.domain;
  element("domain").hidden = !card.domain;
  element("prompt").replaceChildren(...card.prompt.map(turn));
  element("panes").replaceChildren(...(writes ? [] : card.responses.map(pane)));
  element("demonstration").hidden = !writes;
  element("choices").classList.toggle("few", card.kind !== "comparison");
  element("choices").replaceChildren(...buttons());
  const draft = JSON.parse(sessionStorage.getItem(draftKey()) ?? "{}");
  element("note").value = draft.note ?? "";
  element("text").value = draft.text ?? card.draft;
  window.scrollTo({ top: 0 });
}

// The gateway made this HTML from Markdown and lets no markup of the text through.
function prose(html, properties) {
  const made = make("div", { className: "prose", ...properties });
  made.innerHTML = html;
  return made;
}

function turn({ role, html }) {
  const made = make("div", { className: "turn" }, prose(html));
  if (card.prompt.length > 1) made.prepend(make("div", { className: "who", textContent: role }));
  return made;
}

function pane(html, position) {
  const title = make("h2", { id: `pane-${position}`, textContent: `Answer ${letter(position)}` });
  if (card.kind === "ranking") title.append(make("span", { className: "rank" }));
  const body = prose(html, { tabIndex: 0, role: "region" });
  const made = make("section", { className: "pane card" }, title, body);
  for (const labelled of [made, body]) labelled.setAttribute("aria-labelledby", title.id);
  return made;
}

function button(text, name, act, properties = {}) {
  const made = make("button", { type: "button", onclick: act, ...properties }, text, key(name));
  return made;
}

function buttons() {
  if (card.kind === "demonstration") return [button("Save this answer", "Ctrl ↵", submitText, { className: "primary" })];
  if (card.kind === "comparison")
    return Object.entries(CHOICES).map(([choice, [text, name]]) => button(text, name, () => choose(choice)));
  return [
    ...card.responses.map((_, position) => button(`${letter(position)} next`, `${position + 1}`, () => place(position))),
    button("Equal to the one before", "=", () => join()),
    button("Take one back", "⌫", () => unplace()),
    button("Save this order", "↵", submitRanking, { className: "primary" }),
  ];
}

function answer(given) {
  if (!card) return;
  const seconds = (shown + (document.hidden ? 0 : performance.now() - since)) / 1000;
  const note = given.skip ? "" : element("note").value;
  exchange("judge", {
    assignment: card.id,
    guidelines_version: card.guidelines_version,
    seconds: Math.round(seconds * 1000) / 1000,
    request,
    note,
    ...given,
  });
}

function choose(choice) {
  if (!card || busy || card.kind !== "comparison") return;
  if (!card.strength || !["first", "second"].includes(choice)) return answer({ choice });
  pending = choice;
  document.querySelectorAll(".pane")[choice === "first" ? 0 : 1].classList.add("chosen");
  element("strength-dialog").showModal();
}

function choseStrength(strength) {
  const choice = pending;
  element("strength-dialog").close();
  if (choice) answer({ choice, strength });
}

function place(position, tie = false) {
  if (busy || tiers.flat().includes(position)) return;
  if (tie && tiers.length) tiers.at(-1).push(position);
  else tiers.push([position]);
  showRanks();
}

let joining = false;
function join() {
  joining = tiers.length > 0;
}

function unplace() {
  tiers.at(-1)?.pop();
  tiers = tiers.filter((tier) => tier.length);
  showRanks();
}

function showRanks() {
  document.querySelectorAll(".pane").forEach((pane, position) => {
    const tier = tiers.findIndex((positions) => positions.includes(position));
    pane.querySelector(".rank").textContent = tier < 0 ? "" : `place ${tier + 1}`;
    pane.classList.toggle("chosen", tier >= 0);
  });
  element("status").textContent = tiers.map((tier) => tier.map(letter).join(" = ")).join(", then ");
}

function submitRanking() {
  if (tiers.flat().length < card.responses.length) return tell("Give every answer its place first.");
  answer({ ranking: tiers });
}

function submitText() {
  if (!element("text").value.trim()) return tell("Write an answer first, or skip.");
  answer({ text: element("text").value });
}

function skip(reason) {
  element("skip-dialog").close();
  if (reason) answer({ skip: reason });
}

function openSkip() {
  if (card && !busy) element("skip-dialog").showModal();
}

const undo = () => exchange("undo", { request: newRequest() });

function toggleGuidelines() {
  element("guidelines").open = !element("guidelines").open;
}

const COMMON = { s: openSkip, u: undo, g: toggleGuidelines, n: () => element("note").focus(), "?": showKeys };

function showKeys() {
  const own = {
    comparison: [["1 A", "A is better"], ["2 B", "B is better"], ["0 T", "equal"], ["X", "both bad"]],
    ranking: [["1 … 8", "next best answer"], ["=", "the next one is equal"], ["⌫", "take one back"], ["↵", "save"]],
    demonstration: [["Ctrl ↵", "save"]],
  }[card?.kind ?? "comparison"];
  const rows = [...own, ["S", "skip"], ["U", "undo"], ["N", "note"], ["G", "guidelines"], ["Esc", "leave a field"]];
  element("key-list").replaceChildren(
    ...rows.flatMap(([names, text]) => [
      make("dt", {}, ...names.split(" ").flatMap((name) => [key(name), " "])),
      make("dd", { textContent: text }),
    ]),
  );
  element("keys-dialog").showModal();
}

function rankingKey(name) {
  if (/^[1-8]$/.test(name) && Number(name) <= card.responses.length) {
    place(Number(name) - 1, joining);
    joining = false;
  } else if (name === "=") join();
  else if (name === "backspace") unplace();
  else if (name === "enter") submitRanking();
  else return false;
  return true;
}

function dialogKey(name) {
  const open = document.querySelector("dialog[open]");
  if (!open) return false;
  if (open.id === "strength-dialog" && /^[0-3]$/.test(name)) choseStrength(Number(name));
  if (open.id === "skip-dialog" && /^[1-4]$/.test(name)) skip(element("reasons").children[name - 1].dataset.reason);
  return true;
}

document.addEventListener("keydown", (event) => {
  const name = event.key.toLowerCase();
  const writing = event.target.matches("input, textarea");
  if (writing && event.target.id === "text" && name === "enter" && (event.ctrlKey || event.metaKey)) return submitText();
  if (writing && event.target.id === "note" && name === "enter") return event.target.blur();
  if (writing && name === "escape" && !document.querySelector("dialog[open]")) return event.target.blur();
  if (writing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (dialogKey(name)) return;
  if (card?.kind === "comparison" && KEYS[name]) choose(KEYS[name]);
  else if (card?.kind === "ranking" && !event.target.matches("button, summary, a") && rankingKey(name)) event.preventDefault();
  else if (COMMON[name]) {
    event.preventDefault();
    COMMON[name]();
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) shown += performance.now() - since;
  else since = performance.now();
});
for (const id of ["note", "text"])
  element(id).addEventListener("input", () => {
    const draft = { note: element("note").value, text: element("text").value };
    if (card) sessionStorage.setItem(draftKey(), JSON.stringify(draft));
  });
element("strength-dialog").addEventListener("close", () => {
  pending = null;
  document.querySelectorAll(".pane.chosen").forEach((pane) => pane.classList.remove("chosen"));
});
element("strengths").addEventListener("click", (event) => {
  const chosen = event.target.closest("button");
  if (chosen) choseStrength(Number(chosen.dataset.strength));
});
element("reasons").addEventListener("click", (event) => {
  const chosen = event.target.closest("button[data-reason]");
  if (chosen) skip(chosen.dataset.reason);
});
element("other-form").addEventListener("submit", (event) => {
  event.preventDefault();
  skip(element("other").value.trim());
  element("other").value = "";
});
element("skip").onclick = openSkip;
element("undo").onclick = undo;
element("keys").onclick = showKeys;
element("again").onclick = () => exchange("next", {});
exchange("next", {});
