// SPDX-License-Identifier: MIT
//
// Tree: the nodes of one YAML document. yaml-cpp parses the text; only tree.cpp includes it. All nodes of a document
// are in one list and refer to each other by address. So depth and aliases cost no more than their text, and the
// destructor does not recurse.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {

class Faults;

enum class Kind : std::uint8_t { nothing, scalar, list, mapping };

struct Node {
    Kind kind = Kind::nothing;
    int line = 0, column = 0;       // from 1; 0: not known
    std::string text;               // of a scalar
    std::vector<const Node*> items; // of a list; of a mapping: key, value, key, value ...

    bool is(Kind wanted) const { return kind == wanted; }
};

struct Tree {
    std::deque<Node> nodes; // the first one is the root; their addresses last
    bool has_aliases = false;

    const Node& root() const { return nodes.front(); }
};

// Nothing, with one fault, where the text is not exactly one YAML document.
std::shared_ptr<const Tree> parse_tree(std::string_view text, const std::string& file, Faults& faults);

// Whether two nodes have the same content, whatever their places. Both trees must be without aliases, because an alias
// can contain itself.
bool same_content(const Node& a, const Node& b);

} // namespace xk::yaml
