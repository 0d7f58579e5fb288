//! What runs in a pod's sandbox, and holds its namespaces: nothing, until it is killed. `tools/e2e` compiles it by itself.

fn main() {
    loop {
        std::thread::park();
    }
}
