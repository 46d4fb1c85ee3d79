// SPDX-License-Identifier: MIT
//
// The nodes of one YAML document. yaml-cpp reads the text and its types end in tree.cpp: whoever includes this header
// gets none of them. All nodes of a document lie in one list and refer to each other by address, so neither depth nor
// aliases cost more than their text, and nothing recurses when a tree ends.
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

// Nothing, with one fault, where the text is not exactly one document of YAML. A text without any is one fault too.
std::shared_ptr<const Tree> parse_tree(std::string_view text, const std::string& file, Faults& faults);

// Whether two nodes hold the same, wherever they stand. Both trees must be without aliases: one of these could hold
// itself.
bool same_content(const Node& a, const Node& b);

} // namespace xk::yaml
