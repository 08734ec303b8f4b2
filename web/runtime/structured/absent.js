/** What stands in place of xgrammar.js in a site that was built without --structured-output. */

import { UnsupportedError } from "../errors.js";

/** Makes no constraints. */
export class Constrainer {
  async constraint() {
    throw new UnsupportedError(
      "response_format: this site cannot hold replies to JSON. Build it again with: " +
        "webgemma build --structured-output",
    );
  }
}
