// Data: base64 of gzipped JSON in script elements that no browser runs.

async function unpack(name) {
  const text = document.getElementById(`block-${name}`).textContent;
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : decoded(text);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function decoded(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}
