// The keyboard: / searches, j and k go down and up, Enter opens, f shows what flipped. Escape is the dialog's own.

function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const action = actions[event.key];
    if (!action) return;
    if (event.key === "Enter" && event.target.matches("button, a, summary, [data-export]")) return;
    event.preventDefault();
    action();
  });
}
