// MODE PORT [CERT KEY] | [CA]: see peers_test.go.
const fs = require('fs'), https = require('https'), tls = require('tls');
const [mode, port, first, second] = process.argv.slice(2);
const server = () => ({cert: fs.readFileSync(first), key: fs.readFileSync(second), allowHalfOpen: true});
const client = () => ({host: '127.0.0.1', port, ca: fs.readFileSync(first), servername: 'localhost'});
function everything(s, then) {
  const parts = [];
  s.on('data', part => parts.push(part));
  s.on('end', () => then(Buffer.concat(parts)));
}
switch (mode) {
case 'http':
  https.createServer(server(), (q, a) => a.end('hello')).listen(port, '127.0.0.1');
  break;
case 'echo':
  tls.createServer(server(), s => {
    s.on('error', console.error);
    everything(s, all => s.end(all));
  }).on('tlsClientError', console.error).listen(port, '127.0.0.1');
  break;
case 'get':
  https.get(client(), a => {
    a.on('aborted', () => process.exit(1));
    everything(a, all => process.stdout.write(all));
  });
  break;
case 'send': {
  const s = tls.connect({...client(), allowHalfOpen: true}, () => s.end(fs.readFileSync(0)));
  everything(s, all => process.stdout.write(all));
  break;
}
}
