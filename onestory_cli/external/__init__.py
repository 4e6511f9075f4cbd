"""Run external models: a ComfyUI workflow on a server, or a command. Pictures in, a clip out."""
