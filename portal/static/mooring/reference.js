/* The API reference: Swagger UI over our own description. Calls made from the page use the
   portal's cookie, so each carries the CSRF token that the page came with. */
(function () {
  "use strict";
  var place = document.getElementById("reference");
  var token = document.querySelector('meta[name="csrf-token"]').content;
  window.SwaggerUIBundle({
    domNode: place,
    url: place.dataset.schema,
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: false,
    validatorUrl: null,
    requestInterceptor: function (request) {
      if (new URL(request.url, window.location.href).origin === window.location.origin) {
        request.headers["X-CSRFToken"] = token;
      }
      return request;
    },
  });
})();
