/* Looks a file up by its SHA-256, which a worker computes here: no byte of the file is sent anywhere. */
"use strict";

for (const box of document.querySelectorAll(".hash-file")) {
  const form = document.getElementById(box.dataset.form);
  const chooser = box.querySelector("input[type=file]");
  const bar = box.querySelector("progress");
  const words = box.querySelector("output");
  const stop = box.querySelector("button");
  let worker = null;

  // The words come from the page, in its language. A function, so that `$&` in a name stays as it is.
  const hashing = (file) => box.dataset.hashing.replace("{name}", () => file.name);

  const end = (text) => {
    if (worker) worker.terminate();
    worker = null;
    bar.hidden = true;
    stop.hidden = true;
    words.textContent = text;
  };

  const start = (file) => {
    end("");
    bar.hidden = false;
    bar.value = 0;
    stop.hidden = false;
    words.textContent = `${hashing(file)} …`;
    worker = new Worker(box.dataset.worker);
    worker.addEventListener("error", () => end(box.dataset.unable));
    worker.addEventListener("message", ({ data }) => {
      if (data.error) {
        end(`${box.dataset.unreadable} ${data.error}`);
      } else if (data.digest) {
        end(box.dataset.hashed);
        form.elements.q.value = data.digest;
        form.requestSubmit();
      } else if (data.total) {
        bar.value = data.hashed / data.total;
        words.textContent = `${hashing(file)}: ${Math.floor(bar.value * 100)} %`;
      }
    });
    worker.postMessage(file);
  };

  chooser.addEventListener("change", () => {
    if (chooser.files.length) start(chooser.files[0]);
  });
  stop.addEventListener("click", () => {
    chooser.value = "";
    end(box.dataset.stopped);
  });
  // A file that is dropped beside the box would be opened by the browser instead.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    box.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) box.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (event.dataTransfer.files.length) start(event.dataTransfer.files[0]);
  });
  box.hidden = false;
}
