// The texts of the page that are too faint for their ground: WCAG asks for 4.5 to 1, and 3 to 1 of large ones.
(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const lineage = (element) => (element ? [...lineage(element.parentElement), element] : []);
  const opacity = (parents) => parents.reduce((sum, each) => sum * getComputedStyle(each).opacity, 1);
  const painted = (colours) => {
    colours.forEach(([colour, alpha]) => {
      brush.globalAlpha = alpha;
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
    });
    const linear = [...brush.getImageData(0, 0, 1, 1).data].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (element) => {
    const parents = lineage(element);
    const style = getComputedStyle(element);
    const ground = parents.map((each, index) => [getComputedStyle(each).backgroundColor, opacity(parents.slice(0, index + 1))]);
    const ink = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [low, high] = [painted(ground), painted([...ground, [ink, opacity(parents)]])].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const isSeen = (element) => element.checkVisibility() && !element.closest("script, style, .quiet, title");
  return [...document.body.querySelectorAll("*")]
    .filter((element) => hasText(element) && isSeen(element))
    .map((element) => [element, contrast(element), parseFloat(getComputedStyle(element).fontSize) >= 24 ? 3 : 4.5])
    .filter(([, is, least]) => is < least)
    .map(([element, is]) => `${element.tagName} ${element.getAttribute("class")} in ${element.parentElement.className}: ${is.toFixed(1)}`);
})()
