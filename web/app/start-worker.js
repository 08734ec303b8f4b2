/** Starts the engine's worker while the page's other scripts still come. */

import { startWorker } from "../webgemma/index.js";

startWorker();
