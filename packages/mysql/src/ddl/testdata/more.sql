-- Odd and rare forms.
create table m1 (a int, b int not null, c varchar(20), d datetime, constraint primary key (a), constraint unique (b), unique index using btree (c), index using hash (d))
alter table m1 add constraint unique key (d), add unique index ux using btree (a, b), add index cx (c(5)) comment 'idx'
alter table m1 add constraint cc check (b > 0), add constraint check (a > 0)
alter table m1 change a A int not null, change c c varchar(25)
alter table m1 modify b int, modify d datetime(3) default current_timestamp(3) on update current_timestamp(3)
alter table m1 modify d datetime
alter table m1 alter column b set default (5), alter c set default 'x'
alter table m1 add column e int not null auto_increment, add key (e)
alter table m1 modify e int not null
alter table m1 drop constraint cc
[mysql] alter table m1 drop constraint `PRIMARY`
[mariadb] alter table m1 drop primary key
alter table m1 add e2 int after A, add e3 int first, add e4 int
alter table m1 drop e2, drop column e3, drop column e4
alter table m1 charset=latin1 collate=latin1_german1_ci
alter table m1 add f varchar(3), add g varchar(3) collate utf8mb4_bin, add h enum('x')
alter table m1 convert to character set default
alter table m1 convert to character set utf8mb4 collate utf8mb4_unicode_ci, add i varchar(4)
create table M2 (Id int primary key, Parent int, constraint FkP foreign key (PARENT) references M2 (ID))
alter table M2 add column x int references M2 (Id)
alter table M2 add index (parent), drop index FkP
alter table M2 rename index Parent to np
alter table M2 drop foreign key fkp
alter table M2 add constraint f2 foreign key if2 (Parent) references M2 (Id) on update no action on delete set null
alter table M2 change Parent p2 int, change Id id2 int
rename table M2 to m2r
alter table m2r add foreign key (x) references m2r (id2)
create table m3 (a text, b blob, c mediumtext, key (a(10)), key (b(20)), key ab (a(3), b(4)))
alter table m3 modify a varchar(5), modify b varbinary(30)
alter table m3 modify a varchar(5) charset latin1, modify c longtext charset latin1
[mariadb] alter table m3 add fulltext index (c), add fulltext ftn (c, a)
[mysql] alter table m3 add fulltext ftn (c, a)
alter table m3 drop column c
create table m4 (a int unsigned zerofill, b tinyint unsigned, c tinyint(1) unsigned, d smallint(3) zerofill default 5, e decimal(5,2) zerofill default 1, f double unsigned, g float unsigned default 0.5, h bigint zerofill, i year(4), j tinyint(2))
create table m5 (a timestamp not null default now() on update now(), b timestamp(6) null default null, c datetime(2) default '2020-01-01 10:11:12.345', d time(3) default '11:12:13.5', e date default '0001-01-01', f datetime default '2020/1/2 3:4:5', g timestamp default '2020-12-31 23:59:59')
create table m6 (a int default +5, b double default 1e10, c double default 0.1, d float default -1.5, e decimal(20,10) default 123.456, f decimal(3,0) default 2.5, g bigint default -9223372036854775808, h bigint unsigned default 18446744073709551615, i int default 1.5, j int default '12', k double default 1.0e-7, l float default 123456789)
create table m7 (a char(3) default 'ab ', b varchar(3) default '', c enum('a','b') default 'b', d set('a','b') default '', e binary(3) default '', f varbinary(3) default '', g char(3) default 5, h varchar(5) default 1.50, i varchar(9) default true)
create table m8 (a varchar(10) default 'a%b_c', b varchar(10) default 'a\\b', c varchar(10) default 'tab\there', d varchar(10) default 'a''''b', e varchar(20) default 'ünïcödé', f varchar(20) default '☃')
create table m9 (a bit(1) default 1, b bit(64) default b'1', c bit(8) default 0xff, d bit(4) default b'0')
[mysql] alter table m9 modify a bit default null, alter b set default b'111'
create table m10 (a int, b int as (a * 2), c int as (b + a) stored, key (b), unique (c)) comment 'gen'
alter table m10 add d varchar(20) as (reverse(concat('x', a))) virtual after a
alter table m10 modify c bigint as (b + a + 1) stored
alter table m10 drop column c
alter table m10 drop key b, drop column b
[>=80020] create table m11 (a int, key (a) comment 'it''s') comment='x' collate utf8mb4_bin charset utf8mb4
[>=80020] create table m12 (a int) charset utf8mb4 collate utf8mb4_bin charset utf8mb4
create table m13 like m12
alter table m13 collate utf8mb4_general_ci
alter table m13 add v varchar(9)
alter table m13 character set latin1, add w varchar(9)
create table m14 (`a.b` int, `c``d` int, `e"f` int, `-- g` int, `/* h` int, `i;j` int, key (`a.b`, `c``d`))
alter table m14 drop column `-- g`, rename column `/* h` to `h*/`, add column `x'y` int after `e"f`
[mariadb] alter table m14 add column if not exists (p int, q int), drop index if exists nope, drop column if exists nope
[mysql] alter table m14 add column (p int, q int)
create table m15 (id int auto_increment, v int, w int, key (id)) auto_increment = 1000
alter table m15 add primary key (id), drop key id
alter table m15 drop column v, add column v varchar(3) first
alter table m15 modify column v varchar(3) not null after w, auto_increment 5000
alter table m15 rename to m15b, add z int
create index i1 on m15b (w, z) comment 'says'
drop index i1 on m15b
create table m16 (a int, b int, unique u1 (a), unique u2 (b))
alter table m16 modify b int not null
alter table m16 add primary key (a, b), drop index u1
alter table m16 drop primary key, drop index u2
alter table m16 add unique (a) , add index (a), add index (a)
alter table m16 rename index a_2 to renamed, drop index a_3
alter table m16 add index a_2 (b), add index (a)
[mysql] create table m17 (a int, b json, key ((cast(json_extract(b, '$.x') as unsigned))), key mv ((cast(json_extract(b, '$.y') as unsigned array))), unique fu ((a + 1), a desc))
[mysql] alter table m17 add c int invisible default 5 first
[mysql] alter table m17 alter column c set visible
[mysql>=80020] create table m18 (a int, b int default (a), c date default (current_date), d varchar(40) default (concat('a', uuid())), e text default ('abc'), f point default (point(1,2)))
[mariadb] create table m18 (a int, b int default (a + 1), c date default curdate(), d varchar(40) default concat('a', uuid()), e text default ('abc'), g datetime default (now() + interval 1 day), h int default (case when a > 1 then 2 else 3 end))
[mariadb] create table m19 (id int primary key, a int, s date, e date, b int invisible, d varchar(100) compressed)
[mariadb] alter table m19 modify d varchar(100), alter column a set default (b + 1)
[mariadb] create table m20 (t text, b blob, unique (t), key (b), unique bb (b, t(10)))
[mariadb] alter table m20 add unique (b)
[mariadb] create table m21 (a int comment 'x' check (a > 0), b int default 1 check (b < 5), c json default '{}', d json check (json_length(d) > 1))
[mariadb] alter table m21 modify a int, modify c json not null, add e json
[mariadb] !alter table m21 drop constraint b
[mariadb] alter table m21 rename column e to ee
[mysql] create table m21 (a int constraint named check (a > 0) not enforced, b int check (b < 5), c json, constraint m21_chk_7 check (a < b), check (b <> 2))
[mysql] alter table m21 add check (a <> 9), drop check named
[mysql] rename table m21 to m22
[mysql] alter table m22 add check (a <> 10)
[mysql] !alter table m22 drop column a
drop tables m4, m5
