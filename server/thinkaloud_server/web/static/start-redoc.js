// Starts ReDoc; a file of its own, so that the page needs no inline script.
"use strict";
const element = document.getElementById("docs");
Redoc.init(element.dataset.document, {
  nonce: document.currentScript.nonce, // for the style elements that it makes
  expandResponses: "200",
  nativeScrollbars: true, // its own ones bring a style element without the nonce
  requiredPropsFirst: true,
}, element);
