import java.nio.file.Path;
import java.util.List;

import org.elasticsearch.Version;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.transport.Netty4Plugin;

/**
 * Runs one node in this JVM, for tests, until SIGTERM. What is used here is the same in Elasticsearch 6 and 7 and,
 * under other package names, in OpenSearch;
 * start.sh sees to the names, and to the constructor's last parameter, which 6 does not have.
 *
 * <p>Usage: {@code OlderNode HOME DATA PORT [setting=value ...]}. The node listens on 127.0.0.1 only.
 */
public final class OlderNode extends Node {
    private OlderNode(Environment environment) {
        super(environment, List.of(Netty4Plugin.class), true);
    }

    public static void main(String[] args) throws Exception {
        long began = System.nanoTime();
        Settings.Builder builder = Settings.builder()
            .put("cluster.name", "test")
            .put("node.name", "test")
            .put("path.home", args[0])
            .put("path.data", args[1])
            .put("path.logs", Path.of(args[1], "logs").toString())
            .put("network.host", "127.0.0.1")
            .put("http.port", args[2])
            .put("transport.tcp.port", "0")
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (int i = 3; i < args.length; i++) {
            String[] setting = args[i].split("=", 2);
            builder.put(setting[0], setting[1]);
        }
        Node node = new OlderNode(new Environment(builder.build(), Path.of(args[0], "config")));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        node.client().admin().cluster().prepareHealth().setWaitForYellowStatus().get();
        System.out.printf("%s ready on http://%s after %.1f s%n", Version.CURRENT,
            node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress(),
            (System.nanoTime() - began) / 1e9);
        Thread.currentThread().join(); // until the shutdown hook has run
    }
}
