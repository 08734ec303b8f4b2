/** Starts the engine's worker before the page does anything else. */

import { startWorker } from "../webgemma/index.js";

startWorker();
