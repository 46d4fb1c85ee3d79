// SPDX-License-Identifier: MIT
//
// A directory of the run's own, in memory where the system has a file system there, gone when the run ends.
#pragma once

#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace xk::fuzz {

class Directory {
  public:
    Directory() {
        std::string name = "/dev/shm/xk-fuzz.XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) {
            name = "/tmp/xk-fuzz.XXXXXX";
            FUZZ_CHECK(::mkdtemp(name.data()) != nullptr);
        }
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    void make_directory(const std::string& name) const { FUZZ_CHECK(::mkdir((*this / name).c_str(), 0700) == 0); }
    void write(const std::string& name, std::string_view text, mode_t mode = 0600) const {
        const int fd = ::open((*this / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        FUZZ_CHECK(fd >= 0);
        FUZZ_CHECK(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        ::close(fd);
    }
    void remove(const std::string& name) const { ::unlink((*this / name).c_str()); }

  private:
    std::string path_;
};

} // namespace xk::fuzz
