// Draws faces in workers, which leave the page free to react. What is most urgent is drawn first.
"use strict";

const MOST_WORKERS = 3;
const KEPT = 1500; // drawn faces, some 40 MB at 80x80
const URGENCY = { stage: 2, wall: 1 };

class Artist {
  constructor() {
    this.jobs = [];
    this.idle = [];
    this.drawn = new Map(); // from key to ImageData, the oldest first
    const source = new Blob([byId("worker").textContent], { type: "text/javascript" });
    const address = URL.createObjectURL(source);
    const weights = byId("weights").textContent;
    this.workers = clamp(navigator.hardwareConcurrency ?? 1, 1, MOST_WORKERS);
    for (let k = 0; k < this.workers; k++) {
      const worker = new Worker(address);
      worker.onerror = (event) => notify(`drawing failed: ${event.message}`);
      worker.postMessage({ network: page.network, weights });
      this.idle.push(worker);
    }
  }

  // Calls `show(ImageData)` with the image of a latent, at once if it is known by its key (null: it is never kept).
  // `latent` is a function; while `isWanted()` is false, nothing is drawn.
  draw(key, latent, urgency, show, isWanted = () => true) {
    const known = this.drawn.get(key);
    if (known) {
      show(known);
      return;
    }
    this.jobs.push({ key, latent, urgency, show, isWanted });
    this.work();
  }

  work() {
    while (this.idle.length) {
      this.jobs = this.jobs.filter((job) => job.isWanted());
      if (!this.jobs.length) return;
      const first = this.jobs.reduce((one, job) => (job.urgency > one.urgency ? job : one));
      this.jobs.splice(this.jobs.indexOf(first), 1);
      this.start(this.idle.pop(), first);
    }
  }

  start(worker, job) {
    worker.onmessage = ({ data }) => {
      const image = new ImageData(data.pixels, WIDTH, HEIGHT);
      if (job.key !== null) this.keep(job.key, image);
      this.idle.push(worker);
      this.work();
      job.show(image);
    };
    worker.postMessage({ latent: job.latent() });
  }

  keep(key, image) {
    this.drawn.set(key, image);
    if (this.drawn.size > KEPT) this.drawn.delete(this.drawn.keys().next().value);
  }
}

const artist = new Artist();

// Draws a numbered face for the wall or the map.
function drawFace(face, truncation, show, isWanted) {
  artist.draw(`${face} ${truncation}`, () => latentOf(face, truncation), URGENCY.wall, show, isWanted);
}
