/** Reads GPU buffers back through a pool of staging buffers, so that several reads can be in flight. */

/** Owns GPU memory: call `destroy()`. */
export class StagingPool {
  /** @param {GPUDevice} device */
  constructor(device) {
    this.device = device;
    /** @type {Map<number, GPUBuffer[]>} free buffers by size */
    this.free = new Map();
  }

  /**
   * Copy a range of a buffer to the host.
   * @param {GPUBuffer} source has COPY_SRC
   * @param {number} offset
   * @param {number} nbytes
   * @returns {Promise<ArrayBuffer>}
   */
  async read(source, offset, nbytes) {
    const staging = this.free.get(nbytes)?.pop() ?? this.create(nbytes);
    const encoder = this.device.createCommandEncoder({ label: "read" });
    encoder.copyBufferToBuffer(source, offset, staging, 0, nbytes);
    this.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange().slice(0);
    staging.unmap();
    this.free.set(nbytes, [...(this.free.get(nbytes) ?? []), staging]);
    return bytes;
  }

  /**
   * @param {number} size
   * @returns {GPUBuffer}
   */
  create(size) {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    return this.device.createBuffer({ label: "staging", size, usage });
  }

  /** Free the buffers that are not in use; the others go with the device. */
  destroy() {
    for (const buffers of this.free.values()) for (const buffer of buffers) buffer.destroy();
    this.free.clear();
  }
}
