// Starts Swagger UI; a file of its own, so that the page needs no inline script.
"use strict";
const element = document.getElementById("docs");
SwaggerUIBundle({
  url: element.dataset.document,
  domNode: element,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // else the page would send the document's address to a validator on the internet
});
