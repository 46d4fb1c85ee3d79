// SPDX-License-Identifier: MIT
#include "client/ssh_config.h"

#include "client/chosen.h"
#include "client/ssh_files.h"
#include "client/verbs.h"
#include "protocol/base/quote.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInclude = "Include xknock.d/*.conf\n";
constexpr std::string_view kAdded =
    "# The next line is of \"knock-client ssh-config\", which also takes it away (--remove).\n";
constexpr std::string_view kMade = "# This file was made by \"knock-client ssh-config\", which also takes it away.\n";

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// A word for the shell that runs a ProxyCommand. ssh has expanded its tokens (%) before.
std::string shell_word(std::string_view word) {
    const bool plain = std::ranges::all_of(word, [](char c) {
        return is_letter_or_digit(c) || std::string_view("/._-:+,").find(c) != std::string_view::npos;
    });
    if (plain && !word.empty())
        return std::string(word);
    std::string quoted = "'";
    for (const char c : word)
        quoted += c == '\'' ? "'\\''" : c == '%' ? "%%" : std::string(1, c);
    return quoted + "'";
}

std::string this_program() {
    std::error_code code;
    const fs::path path = fs::read_symlink("/proc/self/exe", code);
    return code ? "knock-client" : path.string();
}

// The shortest that means this profile and no other, wherever ssh starts us.
std::string name_of_profile(const Profile& profile) {
    const auto own = profile_directory();
    const std::string stem = fs::path(profile.file).stem().string();
    if (own && fs::path(profile.file).parent_path() == *own)
        if (const auto found = find_profile(*own, stem); found && found->file == profile.file)
            return stem;
    std::error_code code;
    return fs::absolute(profile.file, code).string();
}

Result<std::string> block_for(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return profile.error();
    HostBlock block = host_block(a.host, *profile);
    if (const std::string host = host_of(a, *profile); host != a.host)
        block.host_name = host;
    block.pass_socket = a.pass_socket;
    return host_block_text(block);
}

Result<void> install(const SshFiles& files, const std::string& host, const std::string& block) {
    auto config = files.read_config();
    if (!config)
        return config.error();
    // The host's file comes first. An Include that finds nothing is no fault for ssh, and half an installation is none.
    if (auto done = files.write_host(host, block); !done)
        return done;
    const std::string wanted = with_include(*config);
    return *config == wanted ? Result<void>() : files.write_config(wanted);
}

Result<void> remove(const SshFiles& files, const std::string& host) {
    auto config = files.read_config();
    if (!config)
        return config.error();
    auto others = files.has_other_hosts(host);
    if (!others)
        return others.error();
    if (!*others && *config) {
        const auto wanted = without_include(**config);
        auto done = !wanted               ? files.remove_config()
                    : *wanted != **config ? files.write_config(*wanted)
                                          : Result<void>();
        if (!done)
            return done;
    }
    return files.remove_host(host);
}

// Where the marked lines begin, and how many characters they have.
std::optional<std::pair<std::size_t, std::size_t>> find_marked(std::string_view text, std::string_view mark) {
    const std::string lines = std::string(mark) + std::string(kInclude);
    for (std::size_t at = text.find(lines); at != text.npos; at = text.find(lines, at + 1))
        if (at == 0 || text[at - 1] == '\n')
            return std::pair(at, lines.size());
    return std::nullopt;
}

} // namespace

bool is_plain_host(std::string_view host) {
    return !host.empty() && host.size() <= 253 && (is_letter_or_digit(host.front()) || host.front() == ':') &&
           std::ranges::all_of(host, [](char c) {
               return is_letter_or_digit(c) || std::string_view(".-_:").find(c) != std::string_view::npos;
           });
}

HostBlock host_block(const std::string& host, const Profile& profile) {
    return {.host = host, .host_name = {}, .program = this_program(), .profile = name_of_profile(profile)};
}

Result<std::string> install_host_block(const HostBlock& block) {
    auto files = SshFiles::of_this_user();
    if (!files)
        return files.error();
    auto text = host_block_text(block);
    if (!text)
        return text.error();
    auto done = install(*files, block.host, *text);
    return done ? Result(files->host_file(block.host)) : done.error();
}

Result<std::string> host_block_text(const HostBlock& block) {
    for (const std::string& host : {block.host, block.host_name})
        if (!is_plain_host(host) && (!host.empty() || block.host.empty()))
            return Error{in_quotes(host) + " is no host that can stand in ssh_config", "name a host name or an address",
                         Exit::usage};
    for (const std::string& path : {block.program, block.profile})
        if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < ' '; }))
            return Error{in_quotes(path) + " cannot stand in ssh_config", "rename it", Exit::configuration};
    std::string text = "Host " + block.host + "\n";
    if (!block.host_name.empty())
        text += "    HostName " + block.host_name + "\n";
    text += "    ProxyCommand " + shell_word(block.program) + " proxy" + (block.pass_socket ? " --fdpass" : "") +
            " --profile " + shell_word(block.profile) + " -- %h %p\n";
    // With --fdpass ssh begins to count when it has the connection, otherwise while a person types a code.
    return text + (block.pass_socket ? "    ProxyUseFdpass yes\n" : "    ConnectTimeout 45\n");
}

std::string with_include(const std::optional<std::string>& text) {
    if (!text)
        return std::string(kMade) + std::string(kInclude);
    for (const std::string_view mark : {kMade, kAdded})
        if (const auto marked = find_marked(*text, mark); marked && marked->first == 0)
            return *text;
    const std::string bare = without_include(*text).value_or("");
    return std::string(kAdded) + std::string(kInclude) + bare;
}

std::optional<std::string> without_include(const std::string& text) {
    std::string rest = text;
    bool was_made = false;
    for (const std::string_view mark : {kMade, kAdded})
        while (const auto marked = find_marked(rest, mark)) {
            rest.erase(marked->first, marked->second);
            was_made = was_made || mark == kMade;
        }
    return rest.empty() && was_made ? std::nullopt : std::optional(rest);
}

int run_ssh_config(const Arguments& a) {
    if (!is_plain_host(a.host))
        return fail(Error{in_quotes(a.host) + " is no host that can stand in ssh_config",
                          "name a host name or an address", Exit::usage});
    if (!a.install && !a.remove) {
        auto block = block_for(a);
        if (!block)
            return fail(block.error());
        return std::fputs(block->c_str(), stdout), 0;
    }
    auto files = SshFiles::of_this_user();
    if (!files)
        return fail(files.error());
    if (a.remove) {
        auto done = remove(*files, a.host);
        return done ? 0 : fail(done.error());
    }
    auto block = block_for(a);
    if (!block)
        return fail(block.error());
    auto done = install(*files, a.host, *block);
    if (!done)
        return fail(done.error());
    std::fprintf(stderr, "knock-client: \"ssh %s\" knocks from now on (%s)\n", a.host.c_str(),
                 as_line(files->host_file(a.host)).c_str());
    return 0;
}

} // namespace xk::client
