"""The native twin of web/runtime: runs a built site through wgpu-py."""
