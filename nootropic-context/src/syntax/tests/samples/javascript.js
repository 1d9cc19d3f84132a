'use strict';
var http = require('http');
const { mixin, merge } = require('./utils');

/**
 * The application.
 */
var app = exports = module.exports = {};

exports.create = function create(options) {
  return merge(options);
};

app.listen = function () {
  return http.createServer(this);
};

Router.prototype.route = function route(path) {
  return new Layer(path);
};

module.exports = function main() {};

module.exports.close = () => {};

const helper = (a) => a + 1; // small

function* walk(node) {
  yield* visit(node);
}

class Queue extends Base {
  #items = [];
  static of(...items) {
    return new Queue(items);
  }
}

export default {
  name: 'view',
  render() {
    return draw();
  },
  load: async () => fetch('/'),
};
