"""Video, sound and pictures: encode and decode clips, mux films, draw strips and contact sheets."""
