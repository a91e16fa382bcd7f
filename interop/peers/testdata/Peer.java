// MODE PORT [PKCS12 PASSWORD] | [CA]: see peers_test.go.
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URL;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

class Peer {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[1]);
        SSLContext context = SSLContext.getInstance("TLS");
        if (args[0].equals("http") || args[0].equals("echo")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(new FileInputStream(args[2]), args[3].toCharArray());
            KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
            keys.init(store, args[3].toCharArray());
            context.init(keys.getKeyManagers(), null, null);
        } else {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[2])));
            TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
            trust.init(store);
            context.init(null, trust.getTrustManagers(), null);
        }
        switch (args[0]) {
        case "http":
            HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
            server.setHttpsConfigurator(new HttpsConfigurator(context));
            server.createContext("/", e -> {
                e.sendResponseHeaders(200, 5);
                e.getResponseBody().write("hello".getBytes());
                e.close();
            });
            server.start();
            break;
        case "echo":
            SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(port, 50, InetAddress.getLoopbackAddress());
            while (true) {
                try (SSLSocket s = (SSLSocket) listener.accept()) {
                    byte[] all = s.getInputStream().readAllBytes();
                    s.getOutputStream().write(all);
                    s.shutdownOutput();
                } catch (IOException e) {
                    System.err.println(e);
                }
            }
        case "get":
            HttpsURLConnection url = (HttpsURLConnection) new URL("https://localhost:" + port + "/").openConnection();
            url.setSSLSocketFactory(context.getSocketFactory());
            url.getInputStream().transferTo(System.out);
            System.out.flush();
            break;
        case "send":
            try (SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket("localhost", port)) {
                s.getOutputStream().write(System.in.readAllBytes());
                s.shutdownOutput();
                s.getInputStream().transferTo(System.out);
                System.out.flush();
            }
        }
    }
}
