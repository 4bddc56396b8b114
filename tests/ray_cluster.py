"""A Ray cluster of two nodes of a core each, in a process of its own: Ray forks, which a process that has started JAX must not.

Prints the address and the name of the second node; removes that node, without grace, when a line comes, and all when none will.
"""

import sys

import ray
from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args=dict(SMALL))
    try:
        other = cluster.add_node(**SMALL)
        print(cluster.address, other.node_id, flush=True)
        for _ in sys.stdin:
            cluster.remove_node(other, allow_graceful=False)
            print("removed", flush=True)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
