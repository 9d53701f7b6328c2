// Small extras. Every page works without this file.
(() => {
  const doc = document, $ = (id) => doc.getElementById(id);
  const on = (type, act) => doc.addEventListener(type, act);
  const popups = () => doc.querySelectorAll("details.pop[open]");

  // A dialog is a page: fetch it, show its marked part; when anything is odd, go to the page.
  async function openDialog(link) {
    const modal = $("modal");
    try {
      const answer = await fetch(link.href, { headers: { "Mooring-Dialog": "1" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page.querySelector("[data-dialog-part]");
      if (!answer.ok || !part) throw new Error("not a dialog");
      modal.replaceChildren(doc.adoptNode(part));
      window.htmx?.process(modal);
      popups().forEach((pop) => { pop.open = false; });
      modal.showModal();
    } catch {
      location.assign(link.href);
    }
  }

  $("modal")?.addEventListener("close", (event) => event.target.replaceChildren());

  function reveal(button) {
    const field = $(button.dataset.reveal), hidden = field.type === "password";
    field.type = hidden ? "text" : "password";
    button.setAttribute("aria-pressed", String(hidden));
  }

  async function copy(button) {
    const words = button.querySelector("span"), before = words.textContent;
    await navigator.clipboard.writeText($(button.dataset.copy).textContent.trim());
    words.textContent = button.dataset.done;
    setTimeout(() => { words.textContent = before; }, 2000);
  }

  on("click", (event) => {
    const near = (what) => event.target.closest(what);
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button;
    popups().forEach((pop) => { if (!pop.contains(event.target)) pop.open = false; });
    if (near("[data-reveal]")) reveal(near("[data-reveal]"));
    if (near("[data-copy]")) copy(near("[data-copy]"));
    if (near("dialog [data-close]") || event.target === $("modal")) { event.preventDefault(); $("modal").close(); }
    if (near("a[data-dialog]") && plain && $("modal")) { event.preventDefault(); openDialog(near("a")); }
  });

  // Keys: "/" jump box, "g i", "g e", "?"; letters can be switched off (data-keys="off").
  let last = "";
  on("keydown", (event) => {
    if (event.key === "Escape") popups().forEach((pop) => { pop.open = false; pop.querySelector("summary").focus(); });
    const typing = event.target.closest("input, textarea, select, dialog, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || doc.body.dataset.keys === "off") return;
    const chord = last + event.key;
    last = event.key === "g" ? "g" : "";
    if (event.key === "/" && $("jump")) { event.preventDefault(); $("jump").focus(); }
    doc.querySelector(`[data-keys="${CSS.escape(chord)}"]`)?.click();
  });

  // The reader's local time joins the UTC time, when somebody looks.
  const local = (event) => {
    const time = event.target.closest?.("time[title]:not([data-local])");
    if (!time) return;
    time.dataset.local = "";
    time.title += " · " + new Date(time.dateTime).toLocaleString(doc.documentElement.lang,
      { dateStyle: "medium", timeStyle: "long" });
  };
  on("pointerover", local);
  on("focusin", local);

  // Stray spaces around a pasted token go away.
  on("change", (event) => { if (event.target.name === "token") event.target.value = event.target.value.trim(); });

  // A part that cannot be refreshed keeps its content and says so; errors after a swap get the focus.
  const stale = (event) => event.target.closest?.("[data-part]")?.querySelector("[data-stale]")?.removeAttribute("hidden");
  on("htmx:responseError", stale);
  on("htmx:sendError", stale);
  on("htmx:afterSwap", (event) => event.target.querySelector?.("[data-errors]")?.focus());

  on("allauth.error", () => doc.querySelector("[data-passkey-failed]")?.removeAttribute("hidden"));
})();
