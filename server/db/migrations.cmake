# Compiles migrations/NNNN_name.sql into a C table (include/steward/db.h: struct migration). The bytes come in by the
# assembler's .incbin, so no text is quoted or changed on the way; OBJECT_DEPENDS rebuilds when a file changes.
function(steward_migrations output folder)
    file(GLOB files CONFIGURE_DEPENDS ${folder}/*.sql)
    list(SORT files)
    set(texts "")
    set(rows "")
    set(last -1)
    list(LENGTH files count)
    foreach(file ${files})
        get_filename_component(base ${file} NAME)
        if(NOT base MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
            message(FATAL_ERROR "migrations/${base}: the name must be NNNN_lower_case.sql")
        endif()
        set(number ${CMAKE_MATCH_1})
        set(name ${CMAKE_MATCH_2})
        math(EXPR value "1${number} - 10000")
        if(value EQUAL last)
            message(FATAL_ERROR "migrations/${base}: two migrations have the number ${number}")
        endif()
        set(last ${value})
        string(APPEND texts "__asm__(\".section .rodata\\n.global migration_sql_${number}\\nmigration_sql_${number}:\\n\"\n"
            "        \".incbin \\\"${file}\\\"\\n.byte 0\\n.previous\\n\");\n"
            "extern const char migration_sql_${number}[];\n")
        string(APPEND rows "    { ${value}, \"${name}\", migration_sql_${number} },\n")
    endforeach()
    if(NOT rows)
        set(rows "    { 0, NULL, NULL },\n")
    endif()
    file(CONFIGURE OUTPUT ${output} @ONLY CONTENT
"/* Generated from migrations/ by server/db/migrations.cmake. */
#include \"steward/db.h\"

@texts@
const struct migration migrations[] = {
@rows@};
const size_t n_migrations = @count@;
")
    set_source_files_properties(${output} PROPERTIES OBJECT_DEPENDS "${files}")
endfunction()
