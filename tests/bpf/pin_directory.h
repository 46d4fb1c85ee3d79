// SPDX-License-Identifier: MIT
//
// A BPF file system of a test's own, with the daemon's filter in it.
#pragma once

#include "daemon/xdp/filter.h"

#include <string>
#include <vector>

namespace xk::test {

class PinDirectory {
  public:
    PinDirectory();
    ~PinDirectory();
    PinDirectory(const PinDirectory&) = delete;
    PinDirectory& operator=(const PinDirectory&) = delete;

    std::string pins() const { return std::string(path_) + "/xknock"; }

    // Fails the test where the filter does not load. Notes fail it too, where nobody collects them.
    xdp::Filter load(std::vector<std::string>* notes = nullptr) const;
    xdp::Filter load(const xdp::FilterSettings& settings, const std::string& pins,
                     std::vector<std::string>* notes = nullptr) const;
    // The error of a load that is refused.
    Error refusal() const;

  private:
    char path_[32] = "/tmp/xk-pins.XXXXXX";
};

xdp::FilterSettings settings();

} // namespace xk::test
