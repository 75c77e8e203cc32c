-- Column types, attributes and defaults. A line is a statement; [mariadb] or [mysql]: for that family only, [>=80020]: from that version on; !: the server refuses it.
create table ints (a tinyint, b smallint unsigned, c mediumint zerofill, d int(5), e bigint(30) unsigned, f integer, g int4, h tinyint(1), i bool, j boolean default true, k int(6) zerofill)
create table nums (a decimal, b decimal(5), c decimal(12,4) default 1.5, d numeric(8,2) unsigned default '3', e dec(3,1), f fixed(6,2) zerofill default 2, g float, h float(7,3) default 1.25, i double(10,2) default -3, j double precision, k real, l float(24), m float(25), n bit, o bit(17) default b'101', p bit(8) default 9)
create table texts (a char, b char(10) default 'x', c varchar(20) not null default 'it''s', d text, e tinytext, f mediumtext, g longtext, h text(100), i text(300), j text(70000), k binary, l binary(4) default 'ab', m varbinary(10) default 'cd', n blob, o blob(100), p tinyblob, q mediumblob, r longblob, s long, t long varchar, u character varying(7), v national char(5), w nvarchar(6), x nchar(3), y long varbinary)
create table sets (a enum('a','b','c') default 'B', b set('x','y','z') default 'z,x', c enum('one ','two') not null default 'two', d enum('ä','ö') charset latin1, e set('q') not null default '')
create table times (a date default '2020-1-2', b time default '1:2:3', c datetime default '2020-01-01', d timestamp, e timestamp(3) not null default current_timestamp(3) on update current_timestamp(3), f datetime(6) default now(6), g year default 24, h year default '70', i datetime not null default localtime, j time(2) default '01:02:03.456', k timestamp not null default '2001-01-01 01:01:01', l date not null, m datetime(0))
create table chars (a varchar(10) charset latin1, b varchar(10) collate utf8mb4_bin, c varchar(10) character set ascii collate ascii_bin, d char(5) binary, e text charset utf8mb3, f varchar(5) charset utf8, g char(5) charset binary, h varchar(9) charset binary, i text charset binary, j varchar(5) ascii, k varchar(5) charset gbk, l enum('a') collate utf8mb4_unicode_ci) default charset utf8mb4 collate utf8mb4_general_ci
create table lat (a varchar(10), b text, c varchar(3) charset utf8mb4) charset=latin1
create table bins (a varchar(10), b char(3), c text, d enum('x')) default charset=binary
create table js (a json, b json not null, id serial)
create table ser (id serial, v int)
create table sdv (id bigint serial default value, v int)
create table geo (a geometry, b point not null, c linestring, d polygon, e multipoint, f geometrycollection, spatial index (b))
create table gens (a int, b int generated always as (a + 1) virtual, c int as (a * 2) stored, d varchar(30) as (concat('x', a)) virtual, e int as (a % 3) stored unique)
[mysql] create table gens2 (a int, b int generated always as (a + 1) stored not null, c int default (a + 4), d varchar(40) default (uuid()), e json default (json_array()), key ((a + b)), key k2 ((cast(a as unsigned)) desc, a))
[mariadb] create table gens2 (a int, b int default (a + 4), c varchar(40) default uuid(), d text default 'hello', e int default (5), f blob default (concat('a','b')), g varchar(10) compressed, h int without system versioning)
create table vis (a int, b int invisible default 3, c int not null, key (c)) comment = 'a table''s comment'
create table com (a int comment 'it''s \\ odd "x"', b varchar(3) comment '' default '\\')
[mysql] create table mysqlonly (a point not null srid 4326, spatial index (a))
!create table bad (a varchar)
!create table bad (a int, a int)
[mariadb] create table maria (a inet6, b uuid, c inet4, d uuid default uuid(), e inet6 default '::1')
[mysql] create table vec (a int primary key, v vector(4), w vector)
create table inl (a int primary key comment 'x', b int unique, c int unique key, d varchar(10) not null unique)
create table nn (a int null, b int not null, c timestamp null, d int null default 7, e varchar(5) default null)
create table dq (a int default "5", b varchar(10) default "q""q", c varchar(9) default 'a\'b\n')
create table hexd (a varchar(5) default 0x41, b varchar(5) default x'4242', c int default 0x10, d varchar(5) default _latin1'zz', e varchar(5) default N'nn')
create table `odd ``name` (`select` int, `a b` varchar(3), `c``d` int, key `i``x` (`c``d`))
create table if not exists ints (z int)
create table like1 like inl
create table like2 (like gens)
alter table like1 add column zz int first, drop column c
alter table texts modify d text not null, modify e text, modify b char(20)
alter table texts change a aa varchar(30) default 'n' after c, change b bb char(3) first
alter table nums alter a set default 7, alter c drop default, alter column g set default 2.5
alter table nums alter column h set default 4, add column z1 int default -1, add z2 decimal(4,2) default .5
alter table lat convert to character set utf8mb4
alter table chars convert to character set latin1 collate latin1_bin
alter table texts convert to character set utf8mb3
alter table texts convert to character set utf8mb4 collate utf8mb4_bin
alter table sets default character set latin1
alter table sets add column n varchar(4), add column o varchar(5) charset utf8mb4
alter table bins add column n varchar(4) charset latin1, collate utf8mb4_bin
alter table bins add column m varchar(4)
alter table ints add (x1 int, x2 varchar(3) default 'k'), drop column a
alter table ints modify b bigint not null default 4, modify column h tinyint
alter table vis modify b int, change c c2 bigint not null comment 'now named'
[mysql] alter table vis alter column a set invisible
[mysql] alter table vis alter column a set visible
alter table times modify g year not null, modify a datetime default '2021-02-03 04:05:06'
alter table com comment 'new', engine = innodb, row_format=dynamic
alter table js modify a text, add k json
alter table js drop column b
[mariadb] alter table ints add column if not exists x1 int, drop column if exists nope
[mariadb] alter table ints modify column if exists nope int, change column if exists nope2 x int
[mariadb] alter table if exists nope add a int
[mariadb] create or replace table ser (id int, w int)
drop table if exists nope, ints
truncate table ser
drop table lat, dq
[mariadb] create table squeezed (a varchar(10) compressed character set latin1 collate latin1_bin not null default 'x', b text compressed charset utf8mb4, c blob compressed)
[mariadb] alter table squeezed add column d varchar(30) compressed character set utf8mb4 default 'y' after a, modify b mediumtext compressed
