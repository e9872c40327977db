// Entering an API key. It is kept for this tab alone and sent in a header, never in an address.

import { ask, key, setKey } from "./api.js";
import { fill, foreign, h } from "./dom.js";

/**
 * @param {HTMLDialogElement} dialog
 * @param {HTMLButtonElement} button opens it, and shows whether there is a key
 * @param {function(): void} onChange called when the key is another one
 * @returns {function(): void} opens the dialog
 */
export function keyDialog(dialog, button, onChange) {
  const input = h("input", { id: "key-text", type: "password", autocomplete: "off", spellcheck: "false" });
  const said = h("p.small", { id: "key-said", role: "status" });
  const forgetButton = h("button", { type: "button", onclick: () => change("") }, "Forget it");
  const form = h(
    "form.stack",
    { onsubmit: use },
    h("h2", { id: "key-title" }, "Key"),
    h("p.soft.small", {}, "Kept for this tab until it is closed, and sent to this gateway alone."),
    h("label", { for: "key-text" }, "API key"),
    input,
    said,
    h(
      "div.row",
      {},
      h("button.main", { type: "submit" }, "Use it"),
      forgetButton,
      h("button.plain", { type: "button", onclick: () => dialog.close() }, "Close"),
    ),
  );
  fill(dialog, form);
  show();
  button.addEventListener("click", open);

  function show() {
    fill(button, key() ? "Key ✓" : "Key");
    forgetButton.hidden = !key();
  }

  function open() {
    input.value = "";
    fill(said, key() ? "A key is in use." : "");
    dialog.showModal();
    input.focus();
  }

  function change(text) {
    setKey(text);
    show();
    fill(said, "No key is in use.");
    onChange();
  }

  async function use(event) {
    event.preventDefault();
    const before = key();
    const text = input.value.trim();
    if (!text) return;
    setKey(text);
    try {
      // Headers take no other letters.
      if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("it holds letters that no key has");
      const caller = await ask("/whoami");
      fill(
        said,
        "It is ",
        h("strong", {}, foreign(caller.name || "a key")),
        ` and may ${caller.scopes.join(", ") || "do nothing"}.`,
      );
      show();
      onChange();
      dialog.close();
    } catch (error) {
      setKey(before);
      fill(said, `This key can't be used: ${error.message}`);
    }
  }

  return open;
}
