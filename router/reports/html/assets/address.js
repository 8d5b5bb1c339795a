// What is shown, as the part of the address behind #, so that it can be sent to somebody: #outcome=wrong&item=…

function readAddress() {
  const text = location.hash.slice(1);
  return text.includes("=") ? Object.fromEntries(new URLSearchParams(text)) : {};
}

function writeAddress(state) {
  const kept = Object.entries(state).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  const text = new URLSearchParams(kept).toString();
  history.replaceState(null, "", text ? `#${text}` : "#");
}
