// Reads "target: dependency dependency..." lines from standard input and
// prints the targets in an order that satisfies every dependency. When there
// is a cycle, prints one and exits with status 1.

#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using Graph = std::map<std::string, std::vector<std::string>>;

struct Order {
    std::vector<std::string> targets;
};

struct Cycle {
    std::vector<std::string> path;
};

Graph read_graph(std::istream& input) {
    Graph graph;
    std::string line;
    for (int number = 1; std::getline(input, line); ++number) {
        if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == '#') {
            continue;
        }
        const auto colon = line.find(':');
        if (colon == std::string::npos) {
            throw std::runtime_error("line " + std::to_string(number) + ": missing ':'");
        }

        auto& dependencies = graph[line.substr(0, colon)];
        std::istringstream words(line.substr(colon + 1));
        for (std::string word; words >> word;) {
            dependencies.push_back(word);
        }
    }
    return graph;
}

class Sorter {
public:
    explicit Sorter(const Graph& graph) : graph_(graph) {}

    std::variant<Order, Cycle> run() {
        for (const auto& [target, dependencies] : graph_) {
            if (!visit(target)) {
                return Cycle{extract_cycle()};
            }
        }
        return Order{std::move(finished_)};
    }

private:
    enum class State { unseen, active, done };

    // Depth-first; returns false as soon as the active path closes on itself.
    bool visit(const std::string& target) {
        auto& state = states_[target];
        if (state == State::done) {
            return true;
        }
        path_.push_back(target);
        if (state == State::active) {
            return false;
        }

        state = State::active;
        if (const auto found = graph_.find(target); found != graph_.end()) {
            for (const auto& dependency : found->second) {
                if (!visit(dependency)) {
                    return false;
                }
            }
        }
        state = State::done;
        path_.pop_back();
        finished_.push_back(target);
        return true;
    }

    // The path ends with the repeated target; drop what led up to the loop.
    std::vector<std::string> extract_cycle() const {
        const auto start = std::find(path_.begin(), path_.end(), path_.back());
        return {start, path_.end()};
    }

    const Graph& graph_;
    std::map<std::string, State> states_;
    std::vector<std::string> path_;
    std::vector<std::string> finished_;
};

int report(const Order& order) {
    for (const auto& target : order.targets) {
        std::cout << target << '\n';
    }
    return 0;
}

int report(const Cycle& cycle) {
    std::cerr << "cycle:";
    for (const auto& target : cycle.path) {
        std::cerr << ' ' << target;
    }
    std::cerr << '\n';
    return 1;
}

}  // namespace

int main() {
    try {
        const Graph graph = read_graph(std::cin);
        return std::visit([](const auto& outcome) { return report(outcome); },
                          Sorter(graph).run());
    } catch (const std::exception& error) {
        std::cerr << "build_order: " << error.what() << '\n';
        return 2;
    }
}
