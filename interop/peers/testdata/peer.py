# MODE PORT [CERT KEY] | [CA]: see peers_test.go.
import http.server, socket, ssl, sys, urllib.request

mode, port = sys.argv[1], int(sys.argv[2])


def everything(s):
    return b"".join(iter(lambda: s.recv(65536), b""))


if mode in ("http", "echo"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
else:
    context = ssl.create_default_context(cafile=sys.argv[3])

if mode == "http":
    server = http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
elif mode == "echo":
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        raw, _ = listener.accept()
        try:
            with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as s:
                s.sendall(everything(s))
                s.unwrap()
        except OSError as e:
            print(e, file=sys.stderr)
elif mode == "get":
    sys.stdout.buffer.write(urllib.request.urlopen("https://localhost:%d/" % port, context=context).read())
elif mode == "send":
    raw = socket.create_connection(("127.0.0.1", port))
    s = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
    # No half close: unwrap waits for the other's close_notify, and takes data before it for an error.
    s.sendall(sys.stdin.buffer.read())
    sys.stdout.buffer.write(everything(s))
    s.unwrap()
