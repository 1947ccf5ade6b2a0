// The page "Run a test": asks once a second how the running test is getting on, and shows its result when it is done.
"use strict";
(() => {
  const page = document.getElementById("test");
  const progress = document.getElementById("progress");
  let run = page.dataset.run;

  const ask = async () => {
    let current;
    try {
      const answer = await fetch(page.dataset.current, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      current = await answer.json();
    } catch {
      progress.textContent = "The daemon does not answer; trying again.";
      setTimeout(ask, 5000);
      return;
    }
    const wasRunning = run;
    if (current.text) progress.textContent = `Testing now: ${current.text}`;
    if (current.id) run = current.id;
    else if (wasRunning && !current.problem) location.assign(page.dataset.runs + wasRunning);
    else if (wasRunning) location.reload();
    else if (!current.text) progress.textContent = "No test is running.";
    setTimeout(ask, document.hidden ? 5000 : 1000);
  };
  ask();
})();
