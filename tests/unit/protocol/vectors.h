// SPDX-License-Identifier: MIT
//
// Reader of tests/vectors/*.txt: blocks of "name = value" lines, parted by empty lines; "#" begins a
// comment.
#pragma once

#include "protocol/encoding.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace xk::test {

using Block = std::map<std::string, std::string>;

inline std::vector<Block> read_vectors(const std::string& file) {
    std::ifstream in(std::string(XK_VECTORS) + "/" + file);
    REQUIRE_MESSAGE(in.good(), file);
    std::vector<Block> blocks(1);
    for (std::string line; std::getline(in, line);) {
        if (line.empty() && !blocks.back().empty())
            blocks.emplace_back();
        const auto equals = line.find(" = ");
        if (equals != std::string::npos && line[0] != '#')
            blocks.back()[line.substr(0, equals)] = line.substr(equals + 3);
    }
    if (blocks.back().empty())
        blocks.pop_back();
    REQUIRE(!blocks.empty());
    return blocks;
}

template <std::size_t N>
Bytes<N> bytes(const Block& block, const std::string& name) {
    REQUIRE_MESSAGE(block.count(name) == 1, name);
    const auto value = from_hex<N>(block.at(name));
    REQUIRE_MESSAGE(value.has_value(), name);
    return *value;
}

inline std::uint64_t number(const Block& block, const std::string& name) {
    REQUIRE_MESSAGE(block.count(name) == 1, name);
    return std::stoull(block.at(name));
}

} // namespace xk::test
