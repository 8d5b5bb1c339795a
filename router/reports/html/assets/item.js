// One item: its question, what was expected, and the answers of all arms; two of them word by word.

function armOf(row) {
  return [row.run, row.prompt, row.model, row.provider, row.epoch > 1 ? `epoch ${row.epoch}` : ""].filter(Boolean).join(" · ");
}

async function showItem(dialog, row, rows, parts) {
  const alike = rows.filter((other) => other.id === row.id);
  const texts = await Promise.all(alike.map(textsOf));
  const own = texts[alike.indexOf(row)];
  const other = otherArm(row, alike, parts.against);
  const diff = other ? wordDiff(own.response ?? "", texts[alike.indexOf(other)].response ?? "") : null;
  const cards = [card(row, own, diff?.[0])];
  if (other) cards.push(card(other, texts[alike.indexOf(other)], diff?.[1]));
  dialog.replaceChildren(
    make("div", { className: "bar" }, make("strong", { textContent: row.id }), position(parts), ...buttons(parts)),
    field("question", own.question ?? row.question),
    field("expected", own.expected ?? row.expected),
    other && alike.length > 2 ? chooser(row, other, alike, parts) : null ?? "",
    make("div", { className: "arms" }, ...cards),
    other && !diff ? make("p", { className: "note", textContent: "Too long to compare word by word." }) : "",
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

// The arm beside it: the one that was chosen, else the first with another prompt, else any other.
function otherArm(row, alike, against) {
  const others = alike.filter((each) => each !== row);
  return (
    others.find((each) => armOf(each) === against) ??
    others.find((each) => each.prompt !== row.prompt && each.epoch === row.epoch) ??
    others[0]
  );
}

function position(parts) {
  return make("span", { className: "note", textContent: parts.place ? `${parts.place} of ${parts.total}` : "" });
}

function buttons(parts) {
  return [
    make("button", { type: "button", textContent: "Previous (k)", onclick: parts.previous }),
    make("button", { type: "button", textContent: "Next (j)", onclick: parts.next }),
    make("button", { type: "button", textContent: "Close", onclick: parts.close }),
  ];
}

function chooser(row, other, alike, parts) {
  const select = make("select", { ariaLabel: "compare with" });
  for (const each of alike) if (each !== row) select.append(make("option", { value: armOf(each), textContent: armOf(each) }));
  select.value = armOf(other);
  select.addEventListener("change", () => parts.choose(select.value));
  return make("p", {}, "compare with ", select);
}

function field(name, text) {
  return text ? make("div", { className: "field" }, make("h4", { textContent: name }), make("pre", { textContent: text })) : "";
}

function card(row, texts, pieces) {
  const head = make(
    "p",
    {},
    make("span", { className: `outcome ${row.outcome}`, textContent: row.outcome }),
    ` ${armOf(row)}`,
    row.reason ? ` (${row.reason})` : "",
  );
  return make(
    "article",
    {},
    head,
    field("answer", texts.answer ?? row.answer),
    response(texts, pieces),
    field("thinking", texts.reasoning),
    field("why", texts.why),
    texts.cut ? make("p", { className: "note", textContent: "Texts are cut here; results.jsonl has all of them." }) : "",
    make("p", { className: "note", textContent: numbersOf(row) }),
    texts.attempts ? attempts(texts.attempts) : "",
  );
}

function response(texts, pieces) {
  if (!texts.response) return "";
  const pre = make("pre");
  if (pieces) for (const [word, isCommon] of pieces) pre.append(isCommon ? word : make("mark", { textContent: word }));
  else pre.textContent = texts.response;
  return make("div", { className: "field" }, make("h4", { textContent: "response" }), pre);
}

function numbersOf(row) {
  const told = [
    row.key || row.provider,
    `${row.attempts} ${row.attempts === 1 ? "call" : "calls"}`,
    row.latency_s === null ? "" : `${row.latency_s.toFixed(2)} s`,
    `waited ${row.waited_s.toFixed(2)} s`,
    row.tokens_in === null ? "" : `${row.tokens_in} tokens in, ${row.tokens_out} out`,
    row.cost_usd === null ? "" : `$${row.cost_usd.toFixed(6)}`,
  ];
  return told.filter(Boolean).join(" · ");
}

function attempts(calls) {
  const list = make("ol");
  for (const call of calls) {
    const how = call.ok ? "answered" : [call.fault, call.status].filter(Boolean).join(" ");
    const waited = call.waited_s >= 0.05 ? `, after waiting ${call.waited_s.toFixed(2)} s (${call.waited_for})` : "";
    const then = call.ok || !call.action ? "" : `; then ${call.action.replaceAll("_", " ")}`;
    const words = call.words ? `: “${call.words}”` : "";
    list.append(make("li", { textContent: `${call.key}: ${how} in ${call.latency_s.toFixed(2)} s${waited}${words}${then}` }));
  }
  return make("div", { className: "field" }, make("h4", { textContent: "attempts" }), list);
}
