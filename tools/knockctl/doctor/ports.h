// SPDX-License-Identifier: MIT
//
// A set of ports.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace xk::tools {

class PortSet {
  public:
    static PortSet all() { return range(0, 65535); }
    static PortSet range(std::uint32_t first, std::uint32_t last); // none where first > last
    // As iptables writes them, with `between` of a range: "22", "20:25,80".
    static PortSet parse(const std::string& text, char between);

    bool empty() const { return ranges_.empty(); }
    bool is_all() const { return !empty() && ranges_[0] == Range{0, 65535}; }
    std::uint16_t first() const { return static_cast<std::uint16_t>(ranges_.at(0).first); }
    PortSet operator&(const PortSet& other) const;
    PortSet operator|(const PortSet& other) const;
    PortSet operator~() const;
    bool operator==(const PortSet&) const = default;
    std::string text() const; // "22", "20-25, 80"

  private:
    struct Range {
        std::uint32_t first, last;
        bool operator==(const Range&) const = default;
    };
    std::vector<Range> ranges_; // in order; between two there is a port of neither
};

} // namespace xk::tools
