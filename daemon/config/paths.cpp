// SPDX-License-Identifier: MIT
// "paths" of the main file, also from a file that may be faulty.
#include "daemon/config/config.h"
#include "daemon/config/forms.h"
#include "daemon/config/sections.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

namespace xk::config {
namespace {

// The value of `key` in a text that may be no YAML: the first absolute path behind "key:", outside comments.
std::optional<std::string> path_behind(const std::string& text, const std::string& key) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        line = line.substr(0, line.find('#'));
        for (auto at = line.find(key + ":"); at != line.npos; at = line.find(key + ":", at + 1)) {
            const auto begin = line.find_first_not_of(" \t\"'", at + key.size() + 1);
            if ((at > 0 && std::string_view(" \t{,").find(line[at - 1]) == std::string_view::npos) ||
                begin == line.npos || line[begin] != '/')
                continue;
            return line.substr(begin, line.find_first_of(" \t\"',}", begin) - begin);
        }
    }
    return std::nullopt;
}

} // namespace

void read_paths(yaml::Section& main, Config& config) {
    auto paths = main.section("paths");
    if (!paths)
        return;
    config.run_directory = paths->parsed("run", parse_path).value_or(config.run_directory);
    config.state_directory = paths->parsed("state", parse_path).value_or(config.state_directory);
    config.pin_directory = paths->parsed("bpf", parse_path).value_or(config.pin_directory);
    paths->finish();
}

Paths guess_paths(const std::string& file) {
    const Config standard;
    Paths paths{standard.run_directory, standard.state_directory, standard.pin_directory};
    // Owner and mode do not matter here: the code that uses these directories checks them.
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
        return paths;
    std::string text(64 * 1024, '\0');
    const ssize_t n = ::read(fd.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    paths.run = path_behind(text, "run").value_or(paths.run);
    paths.state = path_behind(text, "state").value_or(paths.state);
    paths.bpf = path_behind(text, "bpf").value_or(paths.bpf);
    return paths;
}

} // namespace xk::config
