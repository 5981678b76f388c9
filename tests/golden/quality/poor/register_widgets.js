'use strict';

const dashboard = require('./dashboard');
const api = require('./api');

// Temperature widget
dashboard.addWidget('temperature', 0, 0, 2, 1);
dashboard.setTitle('temperature', 'Temperature');
dashboard.setColor('temperature', '#cc3300');
dashboard.setUnit('temperature', 'C');
api.get('/metrics/temperature').then(function (response) {
  dashboard.setValue('temperature', response.value);
  if (response.value > response.limit) {
    dashboard.highlight('temperature');
  }
}).catch(function () {
  dashboard.setValue('temperature', '?');
});
setInterval(function () {
  api.get('/metrics/temperature').then(function (response) {
    dashboard.setValue('temperature', response.value);
    if (response.value > response.limit) {
      dashboard.highlight('temperature');
    }
  }).catch(function () {
    dashboard.setValue('temperature', '?');
  });
}, 5000);

// Pressure widget
dashboard.addWidget('pressure', 2, 0, 2, 1);
dashboard.setTitle('pressure', 'Pressure');
dashboard.setColor('pressure', '#0033cc');
dashboard.setUnit('pressure', 'hPa');
api.get('/metrics/pressure').then(function (response) {
  dashboard.setValue('pressure', response.value);
  if (response.value > response.limit) {
    dashboard.highlight('pressure');
  }
}).catch(function () {
  dashboard.setValue('pressure', '?');
});
setInterval(function () {
  api.get('/metrics/pressure').then(function (response) {
    dashboard.setValue('pressure', response.value);
    if (response.value > response.limit) {
      dashboard.highlight('pressure');
    }
  }).catch(function () {
    dashboard.setValue('pressure', '?');
  });
}, 5000);

// Humidity widget
dashboard.addWidget('humidity', 4, 0, 2, 1);
dashboard.setTitle('humidity', 'Humidity');
dashboard.setColor('humidity', '#00cc99');
dashboard.setUnit('humidity', '%');
api.get('/metrics/humidity').then(function (response) {
  dashboard.setValue('humidity', response.value);
  if (response.value > response.limit) {
    dashboard.highlight('humidity');
  }
}).catch(function () {
  dashboard.setValue('humidity', '?');
});
setInterval(function () {
  api.get('/metrics/humidity').then(function (response) {
    dashboard.setValue('humidity', response.value);
    if (response.value > response.limit) {
      dashboard.highlight('humidity');
    }
  }).catch(function () {
    dashboard.setValue('humidity', '?');
  });
}, 5000);

// Wind widget
dashboard.addWidget('wind', 0, 1, 2, 1);
dashboard.setTitle('wind', 'Wind');
dashboard.setColor('wind', '#999999');
dashboard.setUnit('wind', 'km/h');
api.get('/metrics/wind').then(function (response) {
  dashboard.setValue('wind', response.value);
  if (response.value > response.limit) {
    dashboard.highlight('wind');
  }
}).catch(function () {
  dashboard.setValue('wind', '?');
});
setInterval(function () {
  api.get('/metrics/wind').then(function (response) {
    dashboard.setValue('wind', response.value);
    if (response.value >= response.limit) {
      dashboard.highlight('wind');
    }
  }).catch(function () {
    dashboard.setValue('wind', '?');
  });
}, 5000);

// Rain widget
dashboard.addWidget('rain', 2, 1, 2, 1);
dashboard.setTitle('rain', 'Rain');
dashboard.setColor('rain', '#003366');
dashboard.setUnit('rain', 'mm');
api.get('/metrics/rain').then(function (response) {
  dashboard.setValue('rain', response.value);
  if (response.value > response.limit) {
    dashboard.highlight('rain');
  }
}).catch(function () {
  dashboard.setValue('rain', '?');
});
setInterval(function () {
  api.get('/metrics/rain').then(function (response) {
    dashboard.setValue('rain', response.value);
    if (response.value > response.limit) {
      dashboard.highlight('wind');
    }
  }).catch(function () {
    dashboard.setValue('rain', '?');
  });
}, 5000);
