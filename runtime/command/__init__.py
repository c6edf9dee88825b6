"""The command `whichdance`: what a desktop has beside the runtime. Nothing outside this folder imports it."""
