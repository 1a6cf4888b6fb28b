// What a page asks of its own gateway.

const token = document.querySelector('meta[name="csrf-token"]').content;

export class Failed extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function send(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Failed(0, "The gateway cannot be reached. What you wrote is still here; try again.");
  }
  if (response.ok) return response;
  const found = await response.json().catch(() => ({}));
  throw new Failed(response.status, found.error?.message ?? `The gateway answered ${response.status}.`);
}

export const ask = async (path, body) => (await send(path, body)).json();

// The same when it is sent again, so that it counts once.
export const newRequest = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const element = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
