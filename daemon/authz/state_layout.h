// SPDX-License-Identifier: MIT
//
// The layout of judgement's memory in a file: a directory, then the sections that it names, one behind the other. The
// file in /run (mapped, live) and its copy in /var/lib (written as a whole) have this layout. They are written and read
// on one machine, so they are in its byte order.
//
//   magic, boot id    at this place in every layout, past and future
//   sections          type, version, size of one record, place, length; checksum in a copy
//   checksum          of the directory
//
// A live file has no checksum over its sections: they change with every knock, without a system call, and each record
// becomes valid by its last store. Its directory never changes: another directory is another file.
//
// state_before.h has the layout of the previous release. To change a record here, give its section a new version, move
// the old record to state_before.h, and let state_read.cpp convert it.
#pragma once

#include "protocol/base/bytes.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace xk::authz {

// "xknock" and two digits: the form of the directory. The previous release is 03 and had no directory.
inline constexpr std::uint64_t kStateMagic = 0x786b6e6f636b3034;

enum class SectionType : std::uint32_t {
    none = 0,
    judgement = 1,
    credentials = 2,
    asked = 3,
    replay = 4,
    pending = 5,
    hellos = 6
};

struct Section {
    SectionType type = SectionType::none; // or one of a newer release
    std::uint32_t version = 0;
    std::uint32_t optional = 0; // 1: a release that does not know it may ignore it
    std::uint32_t record_size = 0;
    std::uint64_t offset = 0; // from the beginning of the file
    std::uint64_t length = 0; // bytes: whole records
    Bytes<32> checksum{};     // BLAKE2b; all zero in a live file
};
static_assert(sizeof(Section) == 64);

inline constexpr std::size_t kMostSections = 16;

struct StateDirectory {
    std::uint64_t magic = 0; // stored last; 0: the file is not whole
    Bytes<16> boot_id{};     // of the boot whose BootTime is used here; all zero in a copy that no daemon wrote
    std::uint32_t live = 0;  // 1: mapped by a worker; 0: a copy
    std::uint32_t sections = 0;
    std::uint64_t size = 0; // of the file
    std::array<Section, kMostSections> section{};
    Bytes<32> checksum{}; // BLAKE2b over all before
};
static_assert(sizeof(StateDirectory) == 40 + kMostSections * 64 + 32 && sizeof(StateDirectory) % 8 == 0);

// The result of reading a file.
enum class StateFit {
    whole,
    empty,      // no file, or (of live files) one that is not whole
    other_boot, // a live file of another boot: its times mean nothing
    newer,      // a newer release wrote it
    too_old,    // it is older than the previous release
    damaged,
};
// A text for the operator, such as "was written by a newer release". Empty if nothing is wrong.
std::string_view complaint_of(StateFit fit);

// Decides by the first word of a file whether this release can read it (`whole`), or why not.
StateFit fit_of_magic(std::uint64_t magic);
inline constexpr std::uint64_t kMagicBefore = kStateMagic - 1; // state_before.h

Bytes<32> checksum_of(ByteView bytes);
// Call it when everything else is filled in.
void seal_directory(StateDirectory& directory);
bool is_sealed(const StateDirectory& directory); // as seal_directory() left it

// Whether this release can read the directory of a file of `size` bytes: it knows every section that it must know, all
// of them lie one behind the other in the file, and none is there twice. The content of the sections is not checked.
StateFit check_directory(const StateDirectory& directory, std::uint64_t size, bool live);

// Finds the section. Null if there is none, or none of a known version.
const Section* find_section(const StateDirectory& directory, SectionType type);

} // namespace xk::authz
