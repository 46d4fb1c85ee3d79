// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace xk::test {

// A directory that goes with its test.
class TemporaryDirectory {
  public:
    TemporaryDirectory() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const { return path_; }
    std::string read(const std::string& name) const {
        std::ifstream in(path_ + "/" + name);
        return {std::istreambuf_iterator<char>(in), {}};
    }

  private:
    std::string path_ = "/tmp/xk-unit.XXXXXX";
};

} // namespace xk::test
